"""What is known afterwards of each step: by which version, and who approved it (S-21)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.integrations.admin.pages import text_of
from tests.makers import make_custom_field, make_person
from tests.workflows.events import make_event
from tests.workflows.makers import activate, make_item, make_run, make_workflow
from workflows.definition import Definition
from workflows.dispatch import dispatch_one
from workflows.engine.advance import advance_one
from workflows.held import approve, held_items
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun
from workflows.retrying import retry
from workflows.versions import write_version

pytestmark = pytest.mark.django_db(transaction=True)
ARCHIVE = {"key": "gone", "kind": "archive", "exits": {"success": "end"}}
TITLE = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Chief"}},
    "exits": {"success": "end", "failure": "end"},
}
NO_NUMBER = {**TITLE, "settings": {"set": {"badge_number": "{{ last_name }}"}}}


def go() -> None:
    for _number in range(20):
        if not advance_one(timezone.now() + timedelta(seconds=1)):
            return
    raise AssertionError("It never ended.")


def decide(run: WorkflowRun, by: str) -> None:
    approve([(one.id, one.hash) for one in held_items(run)], by=by)


def item_page(item: RunItem) -> str:
    return reverse("admin:workflows_runitem_change", args=(item.pk,))


@pytest.fixture
def superuser_page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_s_21_who_approved_a_removal_stays_with_the_step_that_did_it(
    settings: Any, superuser_page: Client
) -> None:
    settings.SECOND_PERSON = True
    run = make_run(make_workflow([ARCHIVE]))
    people = [make_person() for _number in range(3)]
    items = [make_item(run, person) for person in people[:2]]
    go()
    decide(run, "ann")
    decide(run, "bob")

    go()

    steps = BlockRun.objects.filter(item__in=items).values_list("approved_by", flat=True)
    assert list(steps) == ["ann and bob"] * 2
    assert "Approved by ann and bob" in text_of(superuser_page.get(item_page(items[0])))


def test_s_21_who_let_held_starts_begin_stays_with_the_record_and_approves_nothing_more(
    settings: Any, superuser_page: Client
) -> None:
    settings.SECOND_PERSON = True
    make_workflow([TITLE], begin={"actions": ["edit"]})
    for _number in range(21):
        make_event(make_person(), kind="edit")
    while dispatch_one(timezone.now()):
        pass
    run = WorkflowRun.objects.get()
    decide(run, "ann")
    decide(run, "bob")

    go()

    item = RunItem.objects.first()
    assert item is not None
    assert set(BlockRun.objects.values_list("approved_by", flat=True)) == {""}
    assert "Start approved by ann and bob" in text_of(superuser_page.get(item_page(item)))


def test_s_21_each_step_names_its_version_also_after_retries_with_others(
    superuser_page: Client,
) -> None:
    make_custom_field("Badge Number", type="integer")
    workflow = make_workflow([NO_NUMBER])
    item = make_item(make_run(workflow), make_person(last_name="Lee"))
    go()
    for _number in range(2):
        newer(workflow)
        retry([item.pk], by="ann", version="current")
        go()

    steps = BlockRun.objects.order_by("pk").values_list("version__number", "retry")
    text = text_of(superuser_page.get(item_page(item)))

    assert list(steps) == [(1, 0), (2, 1), (3, 2)]
    assert [f", version {number}" in text for number in (1, 2, 3)] == [True, True, True]


def newer(workflow: Workflow) -> None:
    """The same once more, which fails like the one before."""
    data = {"begin": {"actions": ["manual"]}, "blocks": [NO_NUMBER]}
    activate(workflow, write_version(workflow, Definition.from_data(data), by="test"))
