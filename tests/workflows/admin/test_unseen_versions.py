"""What an older or newer version of a workflow read stays hidden on the pages of its runs (M-36)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client

from people.models import CustomField
from tests.integrations.admin.pages import text_of
from tests.makers import make_custom_field, make_person
from tests.workflows.makers import activate, make_item, make_run, make_workflow
from workflows.admin.shown import HIDDEN_NOTE
from workflows.definition import Definition
from workflows.models import BlockRun, WorkflowVersion
from workflows.versions import write_version

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NOTE = "It was 45678 then."


def block(read: str) -> dict[str, object]:
    return {
        "key": "copy",
        "kind": "update",
        "settings": {"set": {"title": read}},
        "exits": {"success": "end", "failure": "end"},
    }


@pytest.mark.parametrize("newer", [False, True], ids=["the older reads it", "the newer reads it"])
def test_a_note_stays_hidden_where_only_one_version_read_the_hidden_field(
    auditor: User, open_as: Callable[[User], Client], admin_page: Client, *, newer: bool
) -> None:
    """The record was retried with the version that runs now, and its value is another by now."""
    make_custom_field("Salary", type=CustomField.Type.INTEGER, visible_to_hr=False)
    reads, plain = "{{ salary }}", "Chief"
    workflow = make_workflow([block(plain if newer else reads)])
    run = make_run(workflow)
    data = {"begin": {"actions": ["manual"]}, "blocks": [block(reads if newer else plain)]}
    version: WorkflowVersion = write_version(workflow, Definition.from_data(data), by="test")
    activate(workflow, version)
    item = make_item(run, make_person(custom={"salary": "98765"}), state="failed", note=NOTE)
    held = make_item(run, make_person(), state="held", code="held", held_hash="x", note=NOTE)
    for one in (item, held):
        one.version = version
        one.save()
    BlockRun.objects.create(
        item=item,
        version=item.version,
        block="copy",
        kind="update",
        name="Copy",
        exit="failure",
        note=NOTE,
        started_at=AT,
        ended_at=AT,
    )
    of_run = f"/admin/workflows/workflowrun/{run.pk}/"
    pages = [f"/admin/workflows/runitem/{item.pk}/change/", f"{of_run}change/", f"{of_run}held/"]

    theirs = [text_of(open_as(auditor).get(page)) for page in pages]

    for text in theirs:
        assert "45678" not in text
        assert HIDDEN_NOTE in text
    for page in pages:
        assert "45678" in text_of(admin_page.get(page))
