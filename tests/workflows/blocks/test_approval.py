"""The Approval block: who is asked, who may say the word, once, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Notification
from people.models import Person
from tests.makers import make_person
from tests.workflows.blocks.facts import check_block
from tests.workflows.blocks.steps import again, make_step, plan_step, run_step
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.approvals import decide, waiting_for
from workflows.cancelling import cancel_items
from workflows.engine import advance
from workflows.engine.advance import advance_one
from workflows.engine.claims import claim_batch
from workflows.engine.leases import wake_waiting
from workflows.errors import CannotDecide, NotAllowed
from workflows.kinds import Then
from workflows.models import RunItem, Workflow, WorkflowRun

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
SETTINGS = {
    "approvers": ["boss"],
    "message": "May {{ email }} have a licence?",
    "deadline_days": 3,
}


def _workflow(begin: Mapping[str, Any] | None = None, **settings: Any) -> Workflow:
    block = {
        "key": "ask",
        "kind": "approval",
        "settings": {**SETTINGS, **settings},
        "exits": {"approved": "end", "rejected": "end", "expired": "end"},
    }
    return make_workflow([block], begin=begin)


def _user(username: str = "boss", **fields: Any) -> User:
    return User.objects.create_user(username, f"{username}@example.com", **fields)


def _waiting(workflow: Workflow | None = None, person: Person | None = None) -> RunItem:
    """An item that the engine has brought to wait for its approval."""
    row = workflow or _workflow()
    item = make_item(make_run(row), person or make_person(), due_at=NOW)
    assert advance_one(NOW)
    item.refresh_from_db()
    assert item.state == RunItem.State.WAITING, item.note
    return item


def _gone_on(item: RunItem, now: datetime) -> RunItem:
    assert advance_one(now)
    item.refresh_from_db()
    return item


# Asking.


@pytest.mark.parametrize("named", ["ÄRZTE", "ärzte", "Émile", "émile@example.com"])
def test_approvers_are_found_without_regard_to_case_in_every_script(named: str) -> None:
    """Validate says that they are there, so the block has to find them too."""
    user = _user("ÉMILE")
    user.groups.add(Group.objects.create(name="Ärzte"))

    workflow = _workflow(approvers=[named])

    (outcome,) = run_step(make_step(workflow, "ask", [make_person()], now=NOW))

    assert not check_block(workflow, "approval", {**SETTINGS, "approvers": [named]})
    assert (outcome.then, outcome.mails[0].recipients) == (Then.WAITS, (user.email,))


def test_it_waits_for_the_approvers_and_tells_them_once() -> None:
    _user()
    step = make_step(_workflow(), "ask", [make_person(email="ann@example.com")], now=NOW)

    first = run_step(step)[0]
    second = run_step(again(step, now=NOW + timedelta(days=1), context=first.context))[0]

    assert (first.then, first.waits_for) == (Then.WAITS, "approval")
    assert first.due_at == second.due_at == NOW + timedelta(days=3)
    assert first.note == "Waits for approval by boss until 4 Dec 2026, 09:30 UTC."
    [mail] = first.mails
    assert mail.recipients == ("boss@example.com",)
    assert "ann@example.com: May ann@example.com have a licence?" in mail.body
    assert "until 4 Dec 2026, 09:30 UTC: http" in mail.body
    assert second.mails == ()


def test_many_records_of_one_run_are_told_in_one_mail() -> None:
    _user()
    step = make_step(_workflow(), "ask", [make_person() for _number in range(25)], now=NOW)

    outcomes = run_step(step)

    [mail] = {mail for outcome in outcomes for mail in outcome.mails}
    assert "25 records" in mail.subject
    assert "And 5 more." in mail.body
    assert all(outcome.then == Then.WAITS for outcome in outcomes)


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_whoever_is_cancelled_meanwhile_the_approvers_are_told_of_the_others_once(
    cancelled: int,
) -> None:
    """The mail is that of all who came together, not of one of them."""
    _user()
    run = make_run(_workflow())
    items = [make_item(run, make_person(), due_at=NOW) for _number in range(3)]
    batch = claim_batch(NOW)
    assert batch is not None
    worked = advance._work(batch, NOW, lambda: NOW)

    cancel_items([items[cancelled].pk], by="ann")
    advance._write(batch, worked, NOW, NOW)

    assert RunItem.objects.filter(state="waiting").count() == 2
    assert "3 records" in Notification.objects.get().subject


def test_groups_and_addresses_name_approvers_without_regard_to_case() -> None:
    group = Group.objects.create(name="Licence owners")
    _user("carl").groups.add(group)
    _user("dora")
    _user("left", is_active=False).groups.add(group)
    workflow = _workflow(approvers=["licence OWNERS", "Dora@Example.com"])

    outcome = run_step(make_step(workflow, "ask", [make_person()]))[0]

    assert outcome.mails[0].recipients == ("carl@example.com", "dora@example.com")


def test_without_a_deadline_it_waits_for_two_weeks() -> None:
    _user()

    outcome = run_step(make_step(_workflow(deadline_days=None), "ask", [make_person()], now=NOW))[0]

    assert outcome.due_at == NOW + timedelta(days=14)


def test_where_nobody_can_approve_any_more_the_workflow_stops_and_says_so() -> None:
    _user(is_active=False)
    step = make_step(_workflow(), "ask", [make_person()])

    outcome, planned = run_step(step)[0], plan_step(step)[0]

    assert outcome.then == Then.STOPS
    assert 'Nobody can approve at the block "ask"' in outcome.note
    assert planned.problem == "None of the approvers is an active user any more."


def test_a_batch_costs_one_query() -> None:
    _user()
    step = make_step(_workflow(), "ask", [make_person() for _number in range(5)])

    with CaptureQueriesContext(connection) as queries:
        run_step(step)

    assert len(queries) == 1


def test_the_mail_is_in_the_outbox() -> None:
    _user()

    _waiting()

    mail = Notification.objects.get(kind=Notification.Kind.WORKFLOW)
    assert mail.recipients == ["boss@example.com"]


# Deciding.


@pytest.mark.parametrize(
    ("approve", "exit_", "note"),
    [
        (True, "approved", "Approved by boss on 2 Dec 2026, 09:30 UTC: It is fine."),
        (False, "rejected", "Rejected by boss on 2 Dec 2026, 09:30 UTC: It is fine."),
    ],
)
def test_the_word_of_an_approver_chooses_the_exit_and_is_kept(
    *, approve: bool, exit_: str, note: str
) -> None:
    boss, item = _user(), _waiting()
    moment = NOW + timedelta(days=1)

    decide(item.pk, user=boss, approve=approve, reason="It is\nfine.", now=moment)
    _gone_on(item, moment)

    assert item.state == RunItem.State.DONE
    assert [(way.exit, way.note) for way in item.way.all()] == [(exit_, note)]
    assert "approval" not in item.context


def test_without_a_word_it_leaves_by_expired_after_the_deadline() -> None:
    boss, item = _user(), _waiting()
    assert item.due_at is not None
    late = item.due_at + timedelta(minutes=1)

    with pytest.raises(CannotDecide, match="The time for deciding ended on 4 Dec 2026"):
        decide(item.pk, user=boss, approve=True, now=late)
    wake_waiting(late)
    _gone_on(item, late)

    assert [way.exit for way in item.way.all()] == ["expired"]
    assert item.way.get().note.startswith("Nobody decided until 4 Dec 2026, 09:30 UTC")


def test_who_no_longer_matches_begin_after_the_approval_ends_there() -> None:
    """(M-23)"""
    boss, person = _user(), make_person(title="Engineer")
    rule = {"field": "title", "operator": "equals", "value": "Engineer"}
    item = _waiting(_workflow(begin={"rules": rule}), person)
    Person.objects.filter(pk=person.pk).update(title="Manager")

    decide(item.pk, user=boss, approve=True, now=NOW)
    _gone_on(item, NOW)

    assert item.state == RunItem.State.NO_LONGER_APPLIES


def test_only_approvers_and_who_has_the_permission_may_decide() -> None:
    _user()
    item = _waiting()
    stranger, admin = _user("stranger"), _user("admin")
    admin.user_permissions.add(Permission.objects.get(codename="decide_runitem"))

    with pytest.raises(NotAllowed, match="none of the approvers"):
        decide(item.pk, user=stranger, approve=True, now=NOW)
    item.refresh_from_db()
    untouched = item.state
    decide(item.pk, user=admin, approve=True, now=NOW)
    _gone_on(item, NOW)

    assert untouched == RunItem.State.WAITING
    assert item.way.get().note.startswith("Approved by admin on ")


def test_who_was_deactivated_may_not_decide() -> None:
    boss, item = _user(), _waiting()
    boss.is_active = False
    boss.save()

    with pytest.raises(NotAllowed):
        decide(item.pk, user=boss, approve=True, now=NOW)


def test_a_second_word_is_refused_with_the_first() -> None:
    boss, item = _user(), _waiting()
    decide(item.pk, user=boss, approve=False, now=NOW)

    with pytest.raises(CannotDecide, match="boss has rejected it already"):
        decide(item.pk, user=boss, approve=True, now=NOW)
    _gone_on(item, NOW)
    with pytest.raises(CannotDecide, match="does not wait for an approval any more"):
        decide(item.pk, user=boss, approve=True, now=NOW)


def test_an_item_that_does_not_exist_cannot_be_decided_on() -> None:
    with pytest.raises(CannotDecide, match="does not exist any more"):
        decide(999_999, user=_user(), approve=True)


@pytest.mark.django_db(transaction=True)
def test_of_people_who_decide_at_once_one_is_heard() -> None:
    boss, item = _user(), _waiting()
    both = Barrier(4)

    def say(approve: bool) -> str:  # noqa: FBT001 - called by `map`
        try:
            both.wait(timeout=60)
            decide(item.pk, user=boss, approve=approve, now=NOW)
        except CannotDecide as refused:
            return refused.message
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(say, [True, False, True, False]))

    item.refresh_from_db()
    assert said.count("") == 1
    assert item.state == RunItem.State.READY
    assert item.context["approval"]["decision"] == (
        "approved" if said.index("") in (0, 2) else "rejected"
    )


# What waits for whom.


def test_everybody_sees_what_waits_for_their_word() -> None:
    boss, carl, admin = _user(), _user("carl"), _user("admin")
    admin.user_permissions.add(Permission.objects.get(codename="decide_runitem"))
    mine = _waiting()
    other = _waiting(_workflow(approvers=["carl", "boss@example.com"]))
    make_item(make_run(_workflow()), make_person())
    RunItem.objects.filter(pk=other.pk).update(due_at=NOW)

    assert list(waiting_for(boss)) == [other, mine]
    assert list(waiting_for(carl)) == [other]
    assert list(waiting_for(admin)) == [other, mine]
    assert list(waiting_for(_user("stranger"))) == []


def test_what_waits_is_found_with_few_queries_however_much_it_is() -> None:
    boss = _user()
    for _number in range(3):
        _waiting(_workflow())
    fresh = User.objects.get(pk=boss.pk)

    with CaptureQueriesContext(connection) as queries:
        found = list(waiting_for(fresh))

    assert len(found) == 3
    assert len(queries) == 5


def test_a_preview_says_whose_word_is_waited_for() -> None:
    _user()
    person = make_person(email="ann@example.com")

    planned = plan_step(make_step(_workflow(), "ask", [person]))[0]

    assert (planned.action, planned.exit) == ("wait", "approved")
    assert planned.summary == (
        "Waits up to 3 days for approval by boss: May ann@example.com have a licence?"
    )
    assert not WorkflowRun.objects.filter(items__state=RunItem.State.WAITING).exists()


# Validate.


def test_a_right_block_has_no_mistake() -> None:
    _user()

    assert check_block(_workflow(), "approval", SETTINGS) == []


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"approvers": []}, "settings.approvers", "Say who approves"),
        ({"approvers": "boss"}, "settings.approvers", "a list of usernames"),
        ({"approvers": ["nobody"]}, "settings.approvers", 'Nobody could approve: "nobody" is no'),
        ({"approvers": ["left"]}, "settings.approvers", "no active user"),
        (
            {"approvers": ["boss", "{{ manager }}"]},
            "settings.approvers[1]",
            "without a placeholder",
        ),
        ({"approvers": ["boss"] * 51}, "settings.approvers", "At most 50"),
        ({"message": " "}, "settings.message", "Write what is to be approved"),
        ({"message": ["x"]}, "settings.message", "as a text"),
        ({"message": "{{ emial }}"}, "settings.message", 'Did you mean "email"?'),
        ({"deadline_days": 0}, "settings.deadline_days", "a whole number of days from 1 to 365"),
        ({"deadline_days": "soon"}, "settings.deadline_days", "a whole number"),
        ({"deadline": 3}, "settings.deadline", 'Did you mean "deadline_days"?'),
    ],
)
def test_each_mistake_stands_on_its_field(
    settings: Mapping[str, Any], field: str, words: str
) -> None:
    """(C-10)"""
    _user()
    _user("left", is_active=False)

    mistakes = check_block(_workflow(), "approval", {**SETTINGS, **settings})

    assert [one.field for one in mistakes if not one.warning] == [field]
    assert words in mistakes[0].message


def test_an_approver_who_is_missing_beside_others_is_a_warning() -> None:
    _user()

    [mistake] = check_block(_workflow(), "approval", {**SETTINGS, "approvers": ["boss", "gone"]})

    assert mistake.warning
    assert mistake.message.startswith('"gone" is no active user')
