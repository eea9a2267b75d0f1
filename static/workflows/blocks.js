/* Small helps of the pages of blocks. Every page works without them. */
(() => {
    "use strict";

    /* A button {} puts a field of the record where the cursor is. */
    const startInsert = (input) => {
        const names = document.getElementById("wf-names");
        if (!names || input.disabled || input.dataset.wfReady) {
            return;
        }
        input.dataset.wfReady = "1";
        const label = input.labels && input.labels.length ? input.labels[0].textContent.trim() : "this field";
        const box = document.createElement("div");
        box.className = "wf-inserting";
        const select = document.createElement("select");
        select.className = "rc-select wf-name";
        select.setAttribute("aria-label", `Field to insert into ${label}`);
        select.hidden = true;
        const button = document.createElement("button");
        button.type = "button";
        button.className = "rc-button";
        button.textContent = "{}";
        button.title = "Insert a field of the record";
        button.setAttribute("aria-label", `Insert a field into ${label}`);
        button.setAttribute("aria-expanded", "false");
        const fold = (open) => {
            select.hidden = !open;
            button.setAttribute("aria-expanded", String(open));
        };
        const take = () => {
            const name = select.value;
            select.value = "";
            if (name) {
                fold(false);
                put(input, name);
            }
        };
        button.addEventListener("click", () => {
            if (!select.options.length) {
                select.append(new Option("Choose a field to insert", ""), names.content.cloneNode(true));
            }
            fold(select.hidden);
            if (!select.hidden) {
                select.focus();
            }
        });
        /* With the mouse a choice is meant at once; with the keyboard, by Enter. */
        let typing = false;
        select.addEventListener("keydown", (event) => {
            typing = true;
            if (event.key === "Enter") {
                event.preventDefault();
                take();
            } else if (event.key === "Escape") {
                fold(false);
                button.focus();
            }
        });
        select.addEventListener("pointerdown", () => {
            typing = false;
        });
        select.addEventListener("change", () => {
            if (!typing) {
                take();
            }
        });
        input.before(box);
        box.append(input, button, select);
    };

    const put = (input, name) => {
        if (!name) {
            return;
        }
        const text = `{{ ${name} }}`;
        const code = input.dataset.wfCode;
        const start = input.selectionStart ?? input.value.length;
        const before = input.value.slice(0, start);
        /* In JSON a placeholder stands in quotes, unless the cursor is inside of some. */
        const inside = (before.replace(/\\./g, "").split('"').length - 1) % 2 === 1;
        input.focus();
        input.setRangeText(code && !inside ? `"${text}"` : text, start, input.selectionEnd ?? start, "end");
        input.dispatchEvent(new Event("input", { bubbles: true }));
    };

    /* One more empty row. */
    const startRows = (box) => {
        const button = box.querySelector("[data-wf-add]");
        if (!button) {
            return;
        }
        button.hidden = false;
        button.addEventListener("click", () => {
            const rows = box.querySelectorAll("[data-wf-line]");
            const number = rows.length;
            const copy = rows[number - 1].cloneNode(true);
            copy.classList.remove("rc-has-error");
            copy.setAttribute("aria-label", `Row ${number + 1}`);
            copy.querySelectorAll(".rc-errors").forEach((part) => part.remove());
            copy.querySelectorAll(".wf-inserting").forEach((part) => part.replaceWith(part.querySelector("input, textarea")));
            copy.querySelectorAll("[name]").forEach((part) => {
                part.name = part.name.replace(/-\d+-/, `-${number}-`);
                part.id = part.id.replace(/-\d+-/, `-${number}-`);
                part.value = "";
                delete part.dataset.wfReady;
            });
            copy.querySelectorAll("label").forEach((label) => {
                label.htmlFor = label.htmlFor.replace(/-\d+-/, `-${number}-`);
            });
            rows[number - 1].after(copy);
            copy.querySelectorAll("[data-wf-insert]").forEach(startInsert);
            copy.querySelector("select, input, textarea").focus();
        });
    };

    /* The parts of Advanced Mode become tabs; arrows, Home and End move between them. */
    const startTabs = (box) => {
        const panels = [...box.querySelectorAll("[data-wf-tab]")];
        const list = document.createElement("div");
        list.className = "wf-tablist";
        list.setAttribute("role", "tablist");
        list.setAttribute("aria-label", box.getAttribute("aria-label"));
        const tabs = panels.map((panel) => {
            const tab = document.createElement("button");
            const trouble = Number(panel.dataset.wfTrouble);
            tab.type = "button";
            tab.id = `${panel.id}-tab`;
            tab.textContent = trouble ? `${panel.dataset.wfTab} (${trouble} to mend)` : panel.dataset.wfTab;
            tab.setAttribute("role", "tab");
            tab.setAttribute("aria-controls", panel.id);
            panel.setAttribute("role", "tabpanel");
            panel.setAttribute("aria-labelledby", tab.id);
            list.append(tab);
            return tab;
        });
        const show = (number, focus) => {
            panels.forEach((panel, at) => {
                panel.hidden = at !== number;
                tabs[at].setAttribute("aria-selected", String(at === number));
                tabs[at].tabIndex = at === number ? 0 : -1;
            });
            if (focus) {
                tabs[number].focus();
            }
        };
        const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
        list.addEventListener("keydown", (event) => {
            const now = tabs.indexOf(document.activeElement);
            if (now < 0) {
                return;
            }
            let next = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : null;
            if (event.key in steps) {
                next = (now + steps[event.key] + tabs.length) % tabs.length;
            }
            if (next !== null) {
                event.preventDefault();
                show(next, true);
            }
        });
        tabs.forEach((tab, number) => tab.addEventListener("click", () => show(number, false)));
        box.classList.add("wf-tabs-on");
        box.prepend(list);
        const open = (target) => {
            const number = panels.findIndex((panel) => panel.contains(target));
            if (number >= 0) {
                box.closest("details").open = true;
                show(number, false);
                target.scrollIntoView({ block: "center" });
                target.focus({ preventScroll: true });
            }
        };
        const byAddress = () => {
            const target = window.location.hash && document.getElementById(window.location.hash.slice(1));
            if (target) {
                open(target);
            }
        };
        const first = panels.findIndex((panel) => Number(panel.dataset.wfTrouble) > 0);
        const kept = panels.findIndex((panel) => panel.id === box.dataset.wfStart);
        show(first >= 0 ? first : Math.max(kept, 0), false);
        window.addEventListener("hashchange", byAddress);
        byAddress();
    };

    /* Leaving with something typed and not saved is asked about. */
    const startUnsaved = (form) => {
        let touched = false;
        form.addEventListener("input", () => {
            touched = true;
        });
        form.addEventListener("submit", () => {
            touched = false;
        });
        window.addEventListener("beforeunload", (event) => {
            if (touched) {
                event.preventDefault();
            }
        });
    };

    document.addEventListener("DOMContentLoaded", () => {
        document.querySelectorAll("[data-wf-insert]").forEach(startInsert);
        document.querySelectorAll("[data-wf-rows]").forEach(startRows);
        document.querySelectorAll("[data-wf-tabs]").forEach(startTabs);
        document.querySelectorAll("#block_form").forEach(startUnsaved);
        document.querySelectorAll("[data-wf-focus]").forEach((part) => part.focus());
    });
})();
