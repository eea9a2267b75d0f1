/* Small helps of the admin pages. Every page works without them. */
(() => {
    "use strict";

    /* Cards are narrowed to those that hold what is typed. */
    const startSearch = (input) => {
        const list = document.getElementById(input.dataset.rcSearch);
        const none = document.getElementById(`${input.dataset.rcSearch}-none`);
        input.addEventListener("input", () => {
            const wanted = input.value.trim().toLowerCase();
            let shown = 0;
            list.querySelectorAll("[data-rc-words]").forEach((card) => {
                card.hidden = !card.dataset.rcWords.toLowerCase().includes(wanted);
                shown += card.hidden ? 0 : 1;
            });
            if (none) {
                none.hidden = shown > 0;
            }
        });
    };

    /* A key that looks unusual is warned of while it is typed; what is typed stays in the field. */
    const startLint = (input) => {
        const note = document.getElementById(input.dataset.rcLintNote);
        const tick = document.getElementById(input.dataset.rcLintTick);
        const row = tick ? tick.closest(".field-line, .form-row") : null;
        const judge = () => {
            const odd = input.value !== "" && !input.value.startsWith(input.dataset.rcLint);
            if (note) {
                note.hidden = !odd;
            }
            if (row && !tick.checked && !row.dataset.rcKeep) {
                row.hidden = !odd;
            }
        };
        if (row && row.querySelector(".errors, .errorlist")) {
            row.dataset.rcKeep = "1";
        }
        input.addEventListener("input", judge);
        judge();
    };

    /* The progress of a run is asked for again until it has ended; then the page is read anew. */
    const startProgress = (panel) => {
        const every = 2000;
        const ask = async () => {
            try {
                const answer = await fetch(panel.dataset.rcProgress, {
                    headers: { Accept: "application/json" },
                    credentials: "same-origin",
                });
                if (!answer.ok) {
                    return;
                }
                const run = await answer.json();
                if (run.ended) {
                    window.location.reload();
                    return;
                }
                panel.querySelectorAll("[data-rc-part]").forEach((part) => {
                    const value = run[part.dataset.rcPart];
                    if (part.tagName === "PROGRESS") {
                        if (run.total) {
                            part.max = run.total;
                            part.value = run.done;
                        } else {
                            part.removeAttribute("value");
                        }
                    } else if (value !== undefined) {
                        part.textContent = value;
                    }
                });
            } catch {
                /* The next try may reach the server again. */
            }
            window.setTimeout(ask, document.hidden ? every * 5 : every);
        };
        window.setTimeout(ask, every);
    };

    /* One more empty row of rules. */
    const startRules = (box) => {
        const button = box.querySelector("[data-rc-add-rule]");
        if (!button) {
            return;
        }
        button.hidden = false;
        button.addEventListener("click", () => {
            const rows = box.querySelectorAll(".rc-rule");
            const number = rows.length;
            const copy = rows[number - 1].cloneNode(true);
            copy.classList.remove("rc-has-error");
            copy.setAttribute("aria-label", `Rule ${number + 1}`);
            copy.querySelectorAll(".rc-errors").forEach((part) => part.remove());
            copy.querySelectorAll("[name]").forEach((part) => {
                part.name = part.name.replace(/-\d+-/, `-${number}-`);
                part.id = part.id.replace(/-\d+-/, `-${number}-`);
                part.value = "";
            });
            copy.querySelectorAll("label").forEach((label) => {
                label.htmlFor = label.htmlFor.replace(/-\d+-/, `-${number}-`);
            });
            rows[number - 1].after(copy);
            copy.querySelector("select").focus();
        });
    };

    /* Of a schedule only the parts that its kind uses. */
    const startSchedule = (box) => {
        const kind = box.querySelector("[data-rc-kind]");
        const show = () => {
            box.querySelectorAll("[data-rc-for]").forEach((part) => {
                part.hidden = !part.dataset.rcFor.split(" ").includes(kind.value);
            });
        };
        kind.addEventListener("change", show);
        show();
    };

    /* A form that changes something is sent once, however often its button is pressed. */
    const startOnce = (form) => {
        form.addEventListener("submit", (event) => {
            if (form.dataset.rcSent) {
                event.preventDefault();
                return;
            }
            form.dataset.rcSent = "1";
        });
        window.addEventListener("pageshow", () => delete form.dataset.rcSent);
    };

    /* The theme draws icons as words of a font: they are no part of a name that is read aloud. */
    const startIcons = (icon) => {
        const control = icon.closest("a, button");
        const words = control ? control.textContent.replace(icon.textContent, "").trim() : "";
        if (words || (control && (control.title || control.hasAttribute("aria-label")))) {
            icon.setAttribute("aria-hidden", "true");
        } else if (control && control.getAttribute("href") === "/admin/") {
            icon.setAttribute("aria-hidden", "true");
            control.setAttribute("aria-label", "Dashboard");
        }
    };

    /* The theme's menu opens and closes by icons that only a mouse can press. */
    const startMenuIcon = (icon) => {
        icon.setAttribute("role", "button");
        icon.setAttribute("aria-label", icon.textContent.trim() === "close" ? "Close the menu" : "Menu");
        icon.tabIndex = 0;
        icon.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" && event.key !== " ") {
                return;
            }
            event.preventDefault();
            icon.click();
            window.setTimeout(() => {
                /* Where the menu came or went, the focus goes to the icon that undoes it. */
                const others = [...document.querySelectorAll("[data-rc-menu]")];
                const next = others.find((other) => other !== icon && other.getClientRects().length);
                (next && icon.matches("[data-rc-menu='narrow']") ? next : icon).focus();
            }, 200);
        });
    };

    document.addEventListener("DOMContentLoaded", () => {
        document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])").forEach(startIcons);
        document.querySelectorAll("span.material-symbols-outlined").forEach((icon) => {
            const does = icon.getAttribute("x-on:click") || "";
            if (does.startsWith("sidebar")) {
                icon.dataset.rcMenu = does.startsWith("sidebarMobile") ? "narrow" : "wide";
                startMenuIcon(icon);
            }
        });
        document.querySelectorAll("[data-rc-search]").forEach(startSearch);
        document.querySelectorAll("[data-rc-lint]").forEach(startLint);
        document.querySelectorAll("[data-rc-progress]").forEach(startProgress);
        document.querySelectorAll("[data-rc-rules]").forEach(startRules);
        document.querySelectorAll("[data-rc-schedule]").forEach(startSchedule);
        document.querySelectorAll("form[data-rc-once]").forEach(startOnce);
    });
})();
