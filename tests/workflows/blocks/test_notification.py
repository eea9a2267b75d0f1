"""The Notification block: who gets a mail, what it says, and what no value can do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Notification
from people.models import Person
from tests.makers import make_person
from tests.workflows.blocks.facts import check_block
from tests.workflows.blocks.steps import make_step, plan_step, run_step
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.advance import advance_one
from workflows.errors import Mistake
from workflows.kinds import Outcome, Planned, Step, Then, find_kind
from workflows.models import RunItem, Workflow

pytestmark = pytest.mark.django_db

SETTINGS = {
    "recipients": ["it@example.com", "{{ manager }}"],
    "subject": "Roles of {{ email }} could not be read",
    "message": "Hello,\n{{ failure.reason }}",
}


def _workflow(**settings: Any) -> Workflow:
    return make_workflow(
        [
            {
                "key": "tell",
                "kind": "notification",
                "settings": {**SETTINGS, **settings},
                "exits": {"success": "end", "failure": "end"},
            }
        ]
    )


def _step(
    settings: Mapping[str, Any], person: Person, *, context: Mapping[str, Any] | None = None
) -> Step:
    return make_step(_workflow(**settings), "tell", [person], context=context or {})


def _run(
    settings: Mapping[str, Any], person: Person, *, context: Mapping[str, Any] | None = None
) -> Outcome:
    return run_step(_step(settings, person, context=context))[0]


def _plan(settings: Mapping[str, Any], person: Person) -> Planned:
    return plan_step(_step(settings, person))[0]


def _check(**settings: Any) -> list[Mistake]:
    return check_block(_workflow(), "notification", {**SETTINGS, **settings}, after_failure=True)


def test_a_mail_goes_to_addresses_and_to_those_that_fields_hold() -> None:
    person = make_person(email="ann@example.com", manager=make_person(email="boss@example.com"))

    outcome = _run({}, person, context={"failure": {"reason": "It was refused."}})

    [mail] = outcome.mails
    assert (outcome.then, outcome.exit) == (Then.GOES_ON, "success")
    assert mail.recipients == ("it@example.com", "boss@example.com")
    assert mail.subject == "Roles of ann@example.com could not be read"
    assert mail.body == "Hello,\nIt was refused."
    assert outcome.note == "Mail to it@example.com, boss@example.com."


def test_where_nobody_has_an_address_the_exit_is_failure_with_the_field() -> None:
    outcome = _run({"recipients": ["{{ manager }}"]}, make_person())

    assert outcome.exit == "failure"
    assert outcome.mails == ()
    assert outcome.failure is not None
    assert outcome.failure.code == "no_recipient"
    assert outcome.failure.reason == (
        "{{ manager }} gives no e-mail address for this record. Fill the field, or name another."
    )


def test_one_recipient_without_an_address_does_not_keep_the_mail_from_the_others() -> None:
    outcome = _run({}, make_person())

    assert outcome.exit == "success"
    assert outcome.mails[0].recipients == ("it@example.com",)
    assert "{{ manager }} gives no e-mail address" in outcome.note


def test_who_is_named_twice_gets_one_mail() -> None:
    person = make_person(email="it@example.com")

    outcome = _run({"recipients": ["it@example.com", "{{ email }}"]}, person)

    assert outcome.mails[0].recipients == ("it@example.com",)


@pytest.mark.parametrize("evil", ["Ann\r\nBcc: evil@example.org", "Ann\nBcc: evil@example.org"])
def test_no_value_begins_another_header(evil: str) -> None:
    """(S-12)"""
    outcome = _run({"subject": "About {{ first_name }}"}, make_person(first_name=evil))

    assert outcome.mails[0].subject == "About Ann Bcc: evil@example.org"


@pytest.mark.parametrize(
    "evil",
    ["a@example.com\r\nBcc: b@example.org", "a@example.com, b@example.org", "a@b@c", "<a@b.com>"],
)
def test_a_value_that_is_no_single_address_gets_no_mail(evil: str) -> None:
    """(S-12)"""
    outcome = _run({"recipients": ["{{ location }}"]}, make_person(location=evil))

    assert outcome.exit == "failure"
    assert outcome.mails == ()


def test_long_values_are_cut_and_the_text_around_them_stays() -> None:
    outcome = _run(
        {"message": "Before {{ variables.answer }} after", "subject": "S {{ variables.answer }}"},
        make_person(),
        context={"variables": {"answer": "x" * 50_000}},
    )

    [mail] = outcome.mails
    assert mail.body == "Before " + "x" * 1_999 + "… after"
    assert len(mail.subject) == 200


def test_braces_in_a_value_stay_text() -> None:
    """(S-12)"""
    outcome = _run({"message": "{{ location }}"}, make_person(location="{{ email }}"))

    assert outcome.mails[0].body == "{{ email }}"


def test_a_filter_that_cannot_read_its_value_is_a_failure_with_a_sentence() -> None:
    outcome = _run({"subject": '{{ location | date("%Y") }}'}, make_person(location="soon"))

    assert outcome.exit == "failure"
    assert outcome.note.startswith("The mail cannot be filled in: ")


def test_the_mail_is_in_the_outbox_once_even_if_the_block_runs_again() -> None:
    """(M-31)"""
    workflow, now = _workflow(), timezone.now()
    item = make_item(make_run(workflow), make_person(), due_at=now)

    assert advance_one(now)
    item.way.all().delete()
    RunItem.objects.filter(pk=item.pk).update(state=RunItem.State.READY, block="tell", due_at=now)
    assert advance_one(now)

    assert Notification.objects.filter(kind=Notification.Kind.WORKFLOW).count() == 1


def test_whether_it_could_be_sent_decides_nothing_about_the_record() -> None:
    kind = find_kind("notification")

    assert kind is not None
    assert kind.only_tells


def test_a_batch_costs_no_query() -> None:
    step = make_step(_workflow(), "tell", [make_person() for _number in range(5)])

    with CaptureQueriesContext(connection) as queries:
        outcomes = run_step(step)

    assert len(queries) == 0
    assert len(outcomes) == len(step.items)


def test_a_preview_shows_the_mail_and_who_would_not_get_it() -> None:
    planned = _plan({}, make_person(email="ann@example.com"))

    assert planned.exit == "success"
    assert planned.request["subject"] == "Roles of ann@example.com could not be read"
    assert planned.warnings[0].startswith("{{ manager }} gives no e-mail address")


def test_a_preview_says_why_no_mail_would_be_sent() -> None:
    planned = _plan({"recipients": ["{{ manager }}"]}, make_person())

    assert planned.exit == "failure"
    assert "gives no e-mail address" in planned.problem


# Validate.


def test_a_right_block_has_no_mistake() -> None:
    assert _check() == []


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"recipients": []}, "settings.recipients", "Say who gets the mail"),
        ({"recipients": "it@example.com"}, "settings.recipients", "a list of addresses"),
        ({"recipients": ["nobody"]}, "settings.recipients[0]", '"nobody" is no e-mail address'),
        ({"recipients": ["a@example.com", 5]}, "settings.recipients[1]", "is no e-mail address"),
        ({"recipients": ["{{ boss }}"]}, "settings.recipients[0]", 'There is no field "boss"'),
        ({"recipients": ["a@example.com"] * 51}, "settings.recipients", "at most 50"),
        ({"subject": " "}, "settings.subject", "Write the subject"),
        ({"subject": ["x"]}, "settings.subject", "The subject is text"),
        ({"subject": "{{ emial }}"}, "settings.subject", 'Did you mean "email"?'),
        ({"message": None}, "settings.message", "Write the message"),
        ({"message": "{{ email"}, "settings.message", "{{ is not closed"),
        ({"text": "x"}, "settings.text", 'has no setting "text"'),
    ],
)
def test_each_mistake_stands_on_its_field(
    settings: Mapping[str, Any], field: str, words: str
) -> None:
    """(C-10)"""
    mistakes: Sequence[Mistake] = _check(**settings)

    assert [one.field for one in mistakes] == [field]
    assert words in mistakes[0].message


def test_the_failure_is_named_behind_a_failure_exit_only() -> None:
    mistakes = check_block(_workflow(), "notification", SETTINGS, after_failure=False)

    assert [one.field for one in mistakes] == ["settings.message"]
