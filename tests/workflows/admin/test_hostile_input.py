"""What no person types by mistake: each page answers with a sentence, and shows its page again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.integrations.admin.pages import read_form, text_of
from tests.makers import make_credentials
from tests.workflows.makers import make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
FORM = "block_form"
END = {"success": "end", "failure": "end"}
CALL = {
    "key": "call",
    "kind": "api",
    "preset": "aha.update_user_details",
    "credentials": "Aha production",
    "settings": {"inputs": {"subdomain": "acme"}},
    "exits": END,
}
TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": END,
}
BODIES = {
    "300 deep": '{"a": ' + "[" * 300 + "]" * 300 + "}",
    "900 deep": '{"a": ' + "[" * 900 + "]" * 900 + "}",
    "objects 400 deep": '{"a": ' * 400 + "1" + "}" * 400,
    "50,000 deep": "[" * 50_000,
    "half a character": '{"a": "\\ud800"}',
    "half a character as a name": '{"\\udfff": 1}',
    "NUL": '{"a": "\\u0000"}',
    "many digits": '{"a": ' + "9" * 4_000 + "}",
    "more digits": '{"a": ' + "9" * 9_000 + "}",
    "no number": '{"a": 1e999}',
    "a lone word": "NaN",
    "a list": "[1, 2]",
}
VALUES = {
    "deep": "[" * 50_000,
    "900 deep": "[" * 900 + "]" * 900,
    "half a character": '["\\ud800"]',
    "no number": "[1e999]",
    "NUL": "a\x00b",
    "long": "x" * 100_001,
}


def call_workflow() -> Workflow:
    make_credentials("Aha production")
    return make_workflow([CALL, TELL], active=False)


def url_of(workflow: Workflow, page: str = "") -> str:
    return f"/admin/workflows/workflow/{workflow.pk}/{page}"


def send(page: Client, url: str, **changed: str) -> Any:
    typed = read_form(page.get(url), FORM)
    return page.post(url, {**typed, **changed})


def everything_opens(page: Client, workflow: Workflow) -> None:
    for name in ("change/", "blocks/call/", "blocks/tell/", "validate/", "preview/", "versions/"):
        assert page.get(url_of(workflow, name)).status_code == 200, name
    assert page.get(url_of(workflow, "versions/?old=1&new=2")).status_code == 200


@pytest.mark.parametrize("name", BODIES)
def test_a_strange_body_is_kept_or_refused_in_words(name: str, admin_page: Client) -> None:
    workflow = call_workflow()

    answer = send(admin_page, url_of(workflow, "blocks/call/"), request_body=BODIES[name])

    assert answer.status_code in {200, 302}
    if answer.status_code == 200:
        assert "rc-errors" in answer.content.decode()
    everything_opens(admin_page, workflow)


@pytest.mark.parametrize("name", VALUES)
def test_a_strange_header_is_kept_or_refused_in_words(name: str, admin_page: Client) -> None:
    workflow = call_workflow()
    row = {"request_headers-0-name": "X-Odd", "request_headers-0-value": VALUES[name]}

    answer = send(admin_page, url_of(workflow, "blocks/call/"), **row)

    assert answer.status_code in {200, 302}
    everything_opens(admin_page, workflow)


@pytest.mark.parametrize("field", ["recipients", "subject", "message", "name"])
def test_a_nul_is_refused_in_words(field: str, admin_page: Client) -> None:
    workflow = call_workflow()

    answer = send(admin_page, url_of(workflow, "blocks/tell/"), **{field: "a\x00b"})

    assert answer.status_code == 200
    said = text_of(answer)
    assert any(word in said for word in ("ull character", "NUL", "cannot be shown"))
    everything_opens(admin_page, workflow)


def test_what_only_looks_like_nul_is_kept(admin_page: Client) -> None:
    workflow = call_workflow()

    answer = send(admin_page, url_of(workflow, "blocks/tell/"), message="Write \\u0000 so.")

    assert answer.status_code == 302


def test_a_hundred_blocks_with_three_exits_each_are_shown_and_saved(admin_page: Client) -> None:
    asks = {"kind": "approval", "settings": {"approvers": ["it-admin"]}}
    blocks = [
        {**asks, "key": f"b{n}", "exits": dict.fromkeys(("approved", "rejected", "expired"), "end")}
        for n in range(100)
    ]
    workflow = make_workflow(blocks, active=False)
    page = url_of(workflow, "change/")
    answer = admin_page.get(page)

    saved = admin_page.post(page, {**read_form(answer, "workflow_form"), "description": "Long"})

    assert saved.status_code == 302
