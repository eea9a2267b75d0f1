"""The pages on which workflows are edited, with hostile names, by eye of a machine: they fit their
window, each control has a name, each link leads somewhere, and no name becomes markup."""

from __future__ import annotations

import os

import pytest
from django.utils import timezone

from tests.browser.test_configuration_pages import Open, open_page, troubles
from tests.makers import make_application, make_credentials, make_custom_field, make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.definition import Definition
from workflows.editing import save_definition
from workflows.models import BlockRun, Workflow, WorkflowRun

__all__ = ["open_page", "troubles"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
PROBE = "<xssprobe onfocus=alert(1)>'\"&{{7*7}}"
LONG = "Averylongwordwithoutanyspace" * 4
_UNNAMED = """() => [...document.querySelectorAll(
    'main input:not([type=hidden]), main select, main textarea, main button, main a')]
  .filter(one => one.getClientRects().length)
  .filter(one => !(one.labels && one.labels.length && one.labels[0].textContent.trim())
    && !one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby')
    && !one.textContent.trim() && !one.title && !one.value)
  .map(one => one.outerHTML.slice(0, 160))"""
_TWICE = """() => { const seen = new Set(), twice = [];
  document.querySelectorAll('main [id]').forEach(one => {
    if (seen.has(one.id)) twice.push(one.id); seen.add(one.id); });
  return twice; }"""
_LINKS = "() => [...document.querySelectorAll('main a[href]')].map(one => one.href)"


def make_hostile() -> tuple[Workflow, WorkflowRun]:
    make_credentials("Aha production")
    make_application(PROBE)
    make_custom_field(PROBE[:60], key="probe")
    call = {
        "key": "call",
        "kind": "api",
        "name": PROBE,
        "preset": "aha.update_user_details",
        "credentials": "Aha production",
        "settings": {
            "inputs": {"subdomain": "acme"},
            "request": {"headers": {"X-Odd": PROBE}, "body": {PROBE: LONG}},
            "response": {"positive": [{"from": "{{ response.id }}", "to": "variables.answer"}]},
        },
        "exits": {"success": "ask", "failure": "tell"},
    }
    asks = {
        "key": "ask",
        "kind": "approval",
        "name": LONG,
        "settings": {"approvers": ["admin", PROBE], "message": PROBE, "deadline_days": 3},
        "exits": {"approved": "tell", "rejected": "end", "expired": "end"},
    }
    tell = {
        "key": "tell",
        "kind": "notification",
        "name": PROBE,
        "settings": {"recipients": [PROBE], "subject": PROBE, "message": PROBE},
        "exits": {"success": "end", "failure": "gone"},
    }
    check = {
        "key": "check",
        "kind": "condition",
        "settings": {"rules": {"all": [{"field": "email", "operator": "equals", "value": PROBE}]}},
        "exits": {"yes": "call", "no": "end"},
    }
    odd = {"key": "odd", "kind": PROBE[:40], "name": PROBE, "exits": {PROBE: PROBE}}
    begin = {
        "actions": ["new", "schedule", "manual"],
        "schedule": {"every": "day", "at": "07:00", "timezone": "Europe/London"},
        "rules": {"all": [{"field": "department", "operator": "equals", "value": PROBE}]},
    }
    blocks = [check, call, asks, tell]
    workflow = make_workflow(blocks, begin=begin, name=PROBE, description=f"{PROBE} {LONG}")
    person = make_person(email="zoe@example.com", first_name=PROBE, department=None)
    run = make_run(workflow, name=PROBE, started_by=PROBE)
    item = make_item(run, person, state="failed", label=PROBE, note=PROBE, block="call")
    now = timezone.now()
    BlockRun.objects.create(
        item=item,
        version=item.version,
        block="call",
        kind="api",
        name=PROBE,
        exit="failure",
        note=PROBE,
        request={"url": PROBE},
        answer={PROBE: PROBE},
        started_at=now,
        ended_at=now,
    )
    make_item(run, make_person(), state="held", label=PROBE, note=PROBE, block="call")
    data = {"begin": begin, "blocks": [*blocks, odd]}
    save_definition(workflow, Definition.from_data(data), by=None, by_name=PROBE)
    return workflow, run


@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])
def test_hostile_names_are_text_on_pages_that_fit_and_speak(
    size: str, theme: str, open_page: Open, troubles: list[str]
) -> None:
    """S-14."""
    workflow, run = make_hostile()
    start = f"/admin/workflows/workflow/{workflow.pk}/"
    of_run = f"/admin/workflows/workflowrun/{run.pk}/"
    item = run.items.order_by("pk")[0]
    names = [
        *("change", "validate", "preview", "versions", "activate", "copy", "archive", "history"),
        *("blocks/call", "blocks/tell", "blocks/ask", "blocks/check", "blocks/odd"),
        *("blocks/add/api", "blocks/add/delay", "run", "passed-over"),
    ]
    paths = [*(f"{start}{name}/" for name in names), f"{start}remove-block/?key=call"]
    paths += ["/admin/workflows/workflow/", "/admin/workflows/workflow/add/"]
    paths += [f"{of_run}{name}/" for name in ("change", "held", "cancel", "retry")]
    paths += ["/admin/workflows/workflowrun/", f"/admin/workflows/runitem/{item.pk}/change/"]
    paths += ["/admin/workflows/runitem/"]
    page = open_page("/admin/", size=size, theme=theme)
    links: set[str] = set()
    wrong: list[str] = []

    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        name = path.strip("/").replace("/", "_").replace("?", "_")
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=f"{folder}/e_{size}_{name[6:]}.png", full_page=True)
        if not answer.ok:
            wrong.append(f"{path}: {answer.status}")
            continue
        if page.locator("xssprobe").count():
            wrong.append(f"{path}: a name became markup")
        width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if width > 0:
            wrong.append(f"{path}: {width} pixels too wide")
        wrong += [f"{path}: no name: {one}" for one in page.evaluate(_UNNAMED)]
        wrong += [f"{path}: id twice: {one}" for one in page.evaluate(_TWICE)]
        links |= {one.split("#")[0] for one in page.evaluate(_LINKS) if "/admin/workflows/" in one}
    for link in sorted(links):
        reached = page.request.get(link)
        if not reached.ok:
            wrong.append(f"dead link: {link} {reached.status}")

    assert wrong == []
    assert troubles == []
