"""Preparing and reading for many records: fixed queries, and one bad record spoils no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.errors import IntegrationsError, PresetRefused, VendorError
from integrations.presets.account import account_of
from integrations.presets.call import PresetCall
from integrations.presets.many import Wanted, prepare_many, read_many
from integrations.presets.records import person_targets
from integrations.presets.render import LOOKED_UP
from people.models import Person
from tests.makers import make_person, make_role

from .desk import Desk


def prepare_all(
    desk: Desk,
    name: str,
    people: Sequence[Person],
    inputs: dict[str, Any] | None = None,
    *,
    plan: bool = False,
    values: dict[str, Any] | None = None,
    variables: dict[str, str] | None = None,
) -> list[PresetCall | IntegrationsError]:
    account = account_of(desk.credentials, desk.inputs)
    wanted = [Wanted(target, inputs or {}, values or {}) for target in person_targets(list(people))]
    preset = account.vendor.preset(name)
    preset_id = f"{desk.vendor}.{name}"
    given: dict[str, Any] = {"variables": variables or {}}
    if plan:
        return prepare_many(preset_id, preset, account, wanted, client=None, **given)
    with account.open() as client:
        return prepare_many(preset_id, preset, account, wanted, client=client, **given)


def queries(captured: CaptureQueriesContext) -> int:
    frame = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    sql = [one["sql"] for one in captured.captured_queries if "pace" not in one["sql"]]
    return len([one for one in sql if not one.startswith(frame)])


def test_each_record_gets_its_call_or_its_problem(betterworks: Desk) -> None:
    people = [betterworks.person(vendor_id="7"), betterworks.person()]

    first, second = prepare_all(betterworks, "get_user_by_id", people)

    assert isinstance(first, PresetCall)
    assert first.request.path.endswith("/7/") or first.request.path.endswith("/7")
    assert isinstance(second, PresetRefused)
    assert "betterworks_user_id" in second.message


def test_the_queries_do_not_grow_with_the_records(betterworks: Desk) -> None:
    counts = []
    for number in (1, 30):
        people = [betterworks.person(vendor_id=str(at)) for at in range(number)]
        with CaptureQueriesContext(connection) as captured:
            prepare_all(betterworks, "update_user", people, {"title": "Chief"}, plan=True)
        counts.append(queries(captured))

    # The account's own, then its application and the accounts of the people in it.
    assert counts[0] == counts[1]
    assert counts[0] <= 5


def test_the_queries_of_calls_that_take_access_do_not_grow_either(shared_aha: Desk) -> None:
    counts = []
    for number in (1, 12):
        users = [shared_aha.account(shared_aha.person()) for _at in range(number)]
        people = [one.person for one in users if one.person]
        for one in users:
            Person.objects.filter(saas_users=one).update(
                custom={shared_aha.id_field: one.external_id}
            )
        fresh = list(Person.objects.filter(pk__in=[one.pk for one in people]))
        with CaptureQueriesContext(connection) as captured:
            prepared = prepare_all(shared_aha, "deactivate_user", fresh)
        assert all(isinstance(one, PresetCall) and one.takes_access for one in prepared)
        counts.append(queries(captured))

    assert counts[0] == counts[1]
    assert counts[0] <= 10


def test_of_the_last_administrators_of_a_batch_one_is_spared(shared_aha: Desk) -> None:
    """M-15, F-27: one by one they would be spared in the same way."""
    users = [shared_aha.account(shared_aha.person()) for _at in range(3)]
    for one in users[:2]:
        make_role(one, "Administrator")
    for one in users:
        Person.objects.filter(saas_users=one).update(custom={shared_aha.id_field: one.external_id})
    people = [Person.objects.get(saas_users=one) for one in users]

    first, second, third = prepare_all(shared_aha, "deactivate_user", people)

    assert isinstance(first, PresetCall)
    assert isinstance(third, PresetCall)
    assert isinstance(second, PresetRefused)
    assert "no other administrator" in second.message


def test_variables_of_the_item_go_before_global_ones(betterworks: Desk) -> None:
    person = betterworks.person(vendor_id="7")

    [call] = prepare_all(
        betterworks,
        "get_user_by_id",
        [person],
        values={"variables": {"b": "own"}, "failure": {"reason": "no"}},
        variables={"a": "global", "b": "global"},
    )

    assert isinstance(call, PresetCall)
    assert call.values["variables"] == {"a": "global", "b": "own"}
    assert call.values["failure"] == {"reason": "no"}


def test_what_is_looked_up_first_is_asked_for_each_and_spoils_no_other(shared_goto: Desk) -> None:
    """M-28."""
    there = [make_person() for _at in range(3)]
    for one in there:
        shared_goto.account(one)
    nobody = make_person()

    prepared = prepare_all(shared_goto, "get_user_by_email", [*there, nobody])

    assert [isinstance(one, PresetCall) for one in prepared] == [True, True, True, False]
    assert isinstance(prepared[3], PresetRefused)


def test_a_plan_sends_nothing_and_shows_what_would_be_looked_up(goto: Desk) -> None:
    [call] = prepare_all(goto, "get_user_by_email", [make_person()], plan=True)

    assert isinstance(call, PresetCall)
    assert LOOKED_UP in str(call.values["looked_up"])
    assert goto.sent() == []


def test_reads_come_back_in_order_whatever_becomes_of_them(shared_betterworks: Desk) -> None:
    desk = shared_betterworks
    people = []
    for _at in range(12):
        person = desk.person()
        user = desk.account(person)
        person.custom = {desk.id_field: user.external_id}
        people.append(person)
    people[5].custom = {desk.id_field: "99999999"}
    calls = prepare_all(desk, "get_user_by_id", people)
    assert all(isinstance(one, PresetCall) for one in calls)
    account = account_of(desk.credentials, desk.inputs)

    with account.open() as client:
        readings = read_many(
            [one for one in calls if isinstance(one, PresetCall)],
            account.vendor.preset("get_user_by_id"),
            client,
        )

    found = [one.answer["email"] if one.answer else None for one in readings]
    wanted = [person.email for person in people]
    assert found == [*wanted[:5], None, *wanted[6:]]
    assert readings[5].outcome.status == 404


def test_when_the_vendor_does_not_say_whose_the_credentials_are_nobody_is_taken(
    shared_aha: Desk,
) -> None:
    user = shared_aha.account(shared_aha.person())
    person = Person.objects.get(saas_users=user)
    person.custom = {shared_aha.id_field: user.external_id}
    shared_aha.sandbox.faults.add("status", vendor="aha", status=403)

    [problem] = prepare_all(shared_aha, "deactivate_user", [person])

    assert isinstance(problem, VendorError)
