"""API blocks against the sandbox's vendors: what is sent, what is stored, what is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from integrations.models import Operation
from integrations.models.pace import Pace
from tests.integrations.presets.desk import Desk
from tests.makers import make_custom_field, make_person
from workflows.api.planning import FROM_THE_ANSWER
from workflows.kinds import Failure, Item, Step, Then

from .calls import call_all, call_one, plan_one, step_of
from .steps import again, make_step, run_step

NAMES = {"first_name": "{{ first_name }}", "last_name": "{{ last_name }}"}


@pytest.fixture
def answer_field(transactional_db: None) -> str:
    return make_custom_field("API Response", type="long_text").key


# Betterworks.


def test_an_account_is_made_and_its_id_kept(betterworks: Desk) -> None:
    """(BW-22, BW-23, C-17)"""
    ann = betterworks.person(first_name="Ann", email="ann@acme.example")

    outcome = call_one(
        betterworks, "create_user", ann, positive={"variables.new_id": "{{ response.id }}"}
    )

    made = betterworks.sandbox.state["betterworks"]
    assert outcome.then == Then.GOES_ON
    assert outcome.exit == "success"
    assert outcome.status == 201
    assert str(outcome.variables["new_id"])
    assert betterworks.effects() == ["user.create"]
    assert outcome.request["body"]["email"] == "ann@acme.example"
    assert made is not None


def test_a_second_account_is_a_clear_failure(betterworks: Desk) -> None:
    """(BW-27)"""
    ann = betterworks.person()
    call_one(betterworks, "create_user", ann)

    outcome = call_one(
        betterworks,
        "create_user",
        ann,
        negative={
            "variables.why": "{{ failure.reason }}",
            "variables.said": "{{ response.email[0] }}",
        },
    )

    assert outcome.exit == "failure"
    assert outcome.code == "exists"
    assert "There is one already" in outcome.note
    assert outcome.variables["why"] in outcome.note
    assert "already exists" in outcome.variables["said"]
    assert len(betterworks.effects()) == 1


def test_the_same_step_again_makes_no_second_call(betterworks: Desk) -> None:
    """(M-26)"""
    step = step_of(betterworks, "create_user", [betterworks.person(), betterworks.person()])

    first = run_step(step)
    second = run_step(again(step))

    assert [one.exit for one in first] == ["success", "success"]
    assert second == first
    assert len(betterworks.sent("POST")) == 2
    assert Operation.objects.count() == 2


def test_fields_of_ones_own_are_sent_with_the_preset_s(betterworks: Desk) -> None:
    """(BW-24)"""
    ann = betterworks.person(title="Clerk")
    extra = {
        "employment": "{{ title }}",
        "contact": {"phones": ["{{ phone }}", "112"]},
        "title": None,
    }

    outcome = call_one(
        betterworks,
        "create_user",
        ann,
        inputs={**NAMES, "title": "Boss"},
        request={"body": extra},
    )

    body = outcome.request["body"]
    assert body["employment"] == "Clerk"
    assert body["contact"] == {"phones": ["112"]}
    assert "title" not in body


def test_without_an_email_nothing_is_sent(betterworks: Desk) -> None:
    """(BW-26)"""
    nobody = betterworks.person(email="", username="nobody")

    outcome = call_one(betterworks, "create_user", nobody)

    assert (outcome.exit, outcome.code) == ("failure", "not_sent")
    assert "makes no account without an e-mail" in outcome.note
    assert betterworks.sent() == []


def test_an_empty_id_is_told_with_what_to_do(betterworks: Desk) -> None:
    """(BW-36)"""
    outcome = call_one(betterworks, "get_user_by_id", betterworks.person())

    assert outcome.exit == "failure"
    assert "Run the Betterworks user integration" in outcome.note
    assert betterworks.sent() == []


def test_one_bad_record_spoils_no_other(betterworks: Desk) -> None:
    people = [
        betterworks.person(),
        betterworks.person(email="", username="x"),
        betterworks.person(),
    ]

    outcomes = call_all(betterworks, "create_user", people)

    assert [one.exit for one in outcomes] == ["success", "failure", "success"]


def test_parts_of_an_answer_are_stored_by_their_fields_types(
    betterworks: Desk, answer_field: str
) -> None:
    """(BW-37, C-18, GT-15)"""
    make_custom_field("Is Admin", type="boolean")
    user = betterworks.account(email="ann@acme.example", hire_date="2020-02-03", title="Clerk")
    ann = betterworks.person(vendor_id=user.external_id)

    outcome = call_one(
        betterworks,
        "get_user_by_id",
        ann,
        positive={
            answer_field: "{{ response }}",
            "hire_date": "{{ response.hire_date }}",
            "title": 'Was {{ response["title"] }}',
            "is_admin": "{{ response.is_admin }}",
            "variables.number": "{{ response.id }}",
            "location": "{{ response.no_such_thing }}",
        },
    )

    assert outcome.exit == "success"
    assert '"email":"ann@acme.example"' in outcome.sets[answer_field]
    assert outcome.sets["hire_date"] == "2020-02-03"
    assert outcome.sets["title"] == "Was Clerk"
    assert outcome.sets["is_admin"] is False
    assert str(outcome.variables["number"]) == user.external_id
    assert "location" not in outcome.sets
    assert "response.no_such_thing" in outcome.note


def test_what_does_not_fit_is_a_failure_and_the_rest_is_stored(betterworks: Desk) -> None:
    user = betterworks.account(email="ann@acme.example", title="Clerk")
    ann = betterworks.person(vendor_id=user.external_id)

    outcome = call_one(
        betterworks,
        "get_user_by_id",
        ann,
        positive={"birthday": "{{ response.title }}", "title": "{{ response.title }}"},
    )

    assert (outcome.exit, outcome.code) == ("failure", "not_stored")
    assert dict(outcome.sets) == {"title": "Clerk"}
    assert "takes a date" in outcome.note


def test_only_filled_inputs_change_an_account(betterworks: Desk) -> None:
    """(BW-33)"""
    betterworks.account(email="ann@acme.example", title="Clerk")
    ann = betterworks.person(email="ann@acme.example", title="", location="Rome")

    outcome = call_one(
        betterworks,
        "update_user",
        ann,
        inputs={"title": "{{ title }}", "location": "{{ location }}"},
    )

    assert outcome.exit == "success"
    assert outcome.request["body"] == {"email": "ann@acme.example", "location": "Rome"}


def test_who_is_not_there_fails_with_the_mappings_for_failure(betterworks: Desk) -> None:
    """(C-19)"""
    ann = betterworks.person(vendor_id="999999")

    outcome = call_one(
        betterworks,
        "get_user_by_id",
        ann,
        positive={"title": "found"},
        negative={"location": "{{ failure.status }}", "variables.why": "{{ failure.reason }}"},
    )

    assert outcome.exit == "failure"
    assert outcome.failure == Failure(outcome.note, outcome.code, 404)
    assert dict(outcome.sets) == {"location": "404"}
    assert "no user with this id" in outcome.variables["why"]


def test_a_list_is_stored_whole(betterworks: Desk, answer_field: str) -> None:
    """(BW-29, BW-31)"""
    betterworks.account(email="boss@acme.example", is_admin=True)
    betterworks.account(email="clerk@acme.example")

    outcome = call_one(
        betterworks,
        "list_users_with_admin_role",
        betterworks.person(),
        positive={answer_field: "{{ response }}"},
    )

    assert "boss@acme.example" in outcome.sets[answer_field]
    assert "clerk@acme.example" not in outcome.sets[answer_field]


def test_a_forbidden_call_repeats_what_is_needed(betterworks: Desk) -> None:
    """(BW-25, AH-44)"""
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=403, method="POST")

    outcome = call_one(betterworks, "create_user", betterworks.person())

    assert (outcome.exit, outcome.status) == ("failure", 403)
    assert "super admin" in outcome.note


# A vendor that is away.


@pytest.mark.parametrize(
    ("kind", "values", "seconds"),
    [
        ("status", {"status": 503, "retry_after": 1000}, 1000),
        ("status", {"status": 429, "retry_after": 1000}, 1000),
        ("html", {}, 30),
        ("empty", {"form": "nothing"}, 30),
    ],
)
def test_an_outage_waits_and_is_never_not_found(
    betterworks: Desk, kind: Any, values: dict[str, Any], seconds: int
) -> None:
    """(C-25)"""
    user = betterworks.account(email="ann@acme.example")
    step = step_of(
        betterworks,
        "get_user_by_id",
        [betterworks.person(vendor_id=user.external_id)],
        negative={"title": "gone"},
    )
    betterworks.sandbox.faults.add(kind, vendor="betterworks", **values)

    (first,) = run_step(step)
    Pace.objects.update(not_before=0)
    (last,) = run_step(again(step, tries=5))

    assert (first.then, first.waits_for) == (Then.WAITS, "time")
    assert first.due_at is not None
    assert first.due_at >= step.now + timedelta(seconds=seconds)
    assert first.code
    assert last.exit == "failure"
    assert last.code not in {"not_found", "gone"}
    assert "could not be asked" in last.note


@pytest.mark.parametrize("pause", [1_764_000_000, 1_764_000_000_000, 10**300])
@pytest.mark.parametrize("preset", ["create_user", "get_user_by_id"])
def test_a_pause_that_no_calendar_holds_is_a_month_and_stops_no_workflow(
    betterworks: Desk, preset: str, pause: int
) -> None:
    """(F-18) A moment in seconds or milliseconds where seconds to wait should stand."""
    person = betterworks.person(email="ann@acme.example", vendor_id="5")
    step = step_of(betterworks, preset, [person])
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=429, retry_after=pause)

    (outcome,) = run_step(step)

    call = Operation.objects.first()
    due_at = outcome.due_at if call is None else call.due_at
    assert outcome.then == Then.WAITS
    assert due_at is not None
    assert abs(due_at - step.now - timedelta(days=31)) < timedelta(days=1)


def test_a_vendor_that_refuses_the_key_is_no_not_found(betterworks: Desk) -> None:
    """(C-25)"""
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=401)

    outcome = call_one(betterworks, "get_user_by_id", betterworks.person(vendor_id="5"))

    assert (outcome.exit, outcome.code, outcome.status) == ("failure", "unauthorized", 401)


def test_a_change_that_nobody_knows_of_waits_for_its_operation(betterworks: Desk) -> None:
    """(M-26, R2)"""
    betterworks.sandbox.faults.add(
        "reset", vendor="betterworks", method="POST", commit=True, count=1
    )
    step = step_of(
        betterworks,
        "create_user",
        [betterworks.person()],
        positive={"variables.new_id": "{{ response.id }}"},
    )

    (first,) = run_step(step)
    Operation.objects.update(due_at=step.now - timedelta(hours=1))
    (second,) = run_step(again(step))

    row = Operation.objects.get()
    assert (first.then, first.waits_for) == (Then.WAITS, "operation")
    assert first.operation_id == row.pk
    assert (second.exit, row.state) == ("success", "done"), second.note
    assert second.variables["new_id"]
    assert betterworks.effects() == ["user.create"]


# GoTo.


def test_a_user_is_added_and_the_key_kept(goto: Desk) -> None:
    """(GT-23, GT-23j)"""
    ann = goto.person(first_name="Ann", last_name="Lee", email="ann.lee@acme.example")

    outcome = call_one(
        goto,
        "add_users",
        ann,
        inputs={"admin_roles": ["MANAGE_USERS"], "suppress_email": True},
        positive={"goto_user_key": "{{ response[0].key }}"},
    )
    second = call_one(goto, "add_users", ann)

    assert outcome.exit == "success", outcome.note
    assert outcome.sets["goto_user_key"]
    assert (second.exit, second.code) == ("failure", "exists")


@pytest.mark.parametrize(("name", "most"), [("first_name", 60), ("email_subject", 150)])
def test_lengths_of_templates_are_checked_before_the_call(goto: Desk, name: str, most: int) -> None:
    """(GT-24)"""
    people = [goto.person(title="x" * length) for length in (most, most + 1)]

    fits, too_long = call_all(goto, "add_users", people, inputs={name: "{{ title }}"})

    assert fits.exit == "success", fits.note
    assert (too_long.exit, too_long.code) == ("failure", "not_sent")
    assert f"{most + 1} characters" in too_long.note
    assert len(goto.sent("POST")) == 1


def test_a_licence_is_taken_from_exactly_one_user(goto: Desk) -> None:
    """(GT-18, M-28)"""
    user = goto.account(goto.person(email="ann@acme.example"))
    assert user.person is not None
    directory: Any = goto.sandbox.state["goto"]
    licence = next(iter(directory.directory.licences.values()))
    licence.seats = 1000
    gave = call_one(
        goto, "assign_license_to_user_by_email", user.person, inputs={"license_key": licence.key}
    )

    took = call_one(
        goto, "unassign_license_by_email", user.person, inputs={"license_key": licence.key}
    )

    assert gave.exit == "success", gave.note
    assert took.then in {Then.GOES_ON, Then.IS_HELD}


@pytest.mark.parametrize("preset", ["unassign_license_by_email", "delete_users"])
def test_nothing_is_taken_from_nobody(goto: Desk, preset: str) -> None:
    """(GT-19, GT-29)"""
    nobody = goto.person(email="", username="nobody")
    inputs = {"license_key": "1"} if preset.startswith("unassign") else {}

    outcome = call_one(goto, preset, nobody, inputs=inputs)

    assert outcome.exit == "failure"
    assert goto.sent() == [] or goto.sent("DELETE") == []


def test_untouched_switches_are_not_sent(goto: Desk) -> None:
    """(GT-27)"""
    user = goto.account(email="ann@acme.example")
    ann = goto.person(vendor_id=user.external_id)

    outcome = call_one(goto, "update_user", ann, inputs={"first_name": "Anna"})

    assert outcome.exit == "success", outcome.note
    assert outcome.request["body"] == {"firstName": "Anna"}


def test_a_preview_shows_the_call_and_sends_nothing(goto: Desk) -> None:
    """(GT-20)"""
    ann = goto.person(email="ann@acme.example")

    planned = plan_one(
        goto,
        "unassign_license_by_email",
        ann,
        inputs={"license_key": "77"},
        positive={"title": "{{ response }}", "variables.x": "{{ response.a }}"},
    )

    assert planned.problem == ""
    assert planned.request["method"] == "DELETE"
    assert planned.request["url"].endswith("/licenses/77/users/<looked up>")
    assert planned.request["params"] == {"suppressEmail": "false"} or planned.request["params"]
    assert planned.changes == {"title": ["", "<from the answer>"]}
    assert planned.variables == {"x": "<from the answer>"}
    assert goto.sent() == []


def test_a_preview_shows_what_an_answer_will_give_as_words_in_the_address(goto: Desk) -> None:
    """In a preview, that is what fields and variables hold behind the block that stores them."""
    ann = goto.person(email="ann@acme.example", title=FROM_THE_ANSWER)

    planned = plan_one(
        goto, "unassign_license_by_email", ann, inputs={"license_key": "{{ title }}"}
    )

    assert planned.request["url"].endswith("/licenses/<from the answer>/users/<looked up>")
    assert "%3C" not in planned.summary


def test_a_preview_says_what_would_be_refused(goto: Desk) -> None:
    planned = plan_one(goto, "delete_users", goto.person())

    assert "goto_user_key" in planned.problem
    assert planned.request is None


# Aha!


def test_only_chosen_keys_are_sent(aha: Desk) -> None:
    """(AH-41, F-36)"""
    user = aha.account(email="ann@acme.example")
    ann = aha.person(vendor_id=user.external_id, title="")

    outcome = call_one(
        aha,
        "update_user_details",
        ann,
        inputs={"first_name": "Anna", "last_name": "{{ title }}", "enabled": "unset"},
    )

    assert outcome.exit == "success", outcome.note
    assert outcome.request["body"] == {"user": {"first_name": "Anna"}}


def test_an_account_is_disabled(aha: Desk) -> None:
    """(AH-38, AH-39)"""
    people = [aha.account(email=f"p{number}@acme.example") for number in range(30)]
    empty = aha.person()

    (outcome,) = call_all(aha, "deactivate_user", people[:1])
    without = call_one(aha, "deactivate_user", empty)

    assert outcome.exit == "success", outcome.note
    assert aha.effects()
    assert "aha_user_id" in without.note
    assert len(aha.sent("PUT")) == 1


def test_the_guard_holds_all_of_a_run(aha: Desk) -> None:
    """(M-15, F-26)"""
    users = [aha.account(email=f"p{number}@acme.example") for number in range(30)]

    step = step_of(aha, "deactivate_user", users[:8])
    outcomes = run_step(step)

    assert {one.then for one in outcomes} == {Then.IS_HELD}
    assert all(one.held_hash and "more than the limit" in one.note for one in outcomes)
    assert aha.sent("PUT") == []
    assert Operation.objects.count() == 0


def test_within_the_limit_all_go_and_count(aha: Desk) -> None:
    """(M-15, F-26)"""
    users = [aha.account(email=f"p{number}@acme.example") for number in range(30)]

    five = call_all(aha, "deactivate_user", users[:5])
    one_more = call_one(aha, "deactivate_user", users[5])

    assert {one.exit for one in five} == {"success"}
    assert one_more.then == Then.IS_HELD
    assert len(aha.sent("PUT")) == 5


def test_what_was_sent_before_a_kill_is_not_held_with_the_others(aha: Desk) -> None:
    """(M-15, M-26)"""
    users = [aha.account(email=f"p{number}@acme.example") for number in range(30)]
    step = step_of(aha, "deactivate_user", users[:8])
    run_step(_only(step, step.items[0]))

    outcomes = run_step(step)

    assert outcomes[0].exit == "success"
    assert {one.then for one in outcomes[1:]} == {Then.IS_HELD}
    assert len(aha.sent("PUT")) == 1


def test_runs_are_held_one_by_one(aha: Desk) -> None:
    """A run that stays within the limit is not held for another one."""
    users = [aha.account(email=f"p{number}@acme.example") for number in range(30)]
    many = step_of(aha, "deactivate_user", users[:8])
    few = make_step(many.workflow, "call", users[8:10])

    outcomes = run_step(replace(many, items=[*many.items, *few.items]))

    assert {one.then for one in outcomes[:8]} == {Then.IS_HELD}
    assert {one.exit for one in outcomes[8:]} == {"success"}


def test_what_a_person_approved_is_sent_as_it_was_shown(aha: Desk) -> None:
    """(M-14, M-15)"""
    users = [aha.account(email=f"p{number}@acme.example") for number in range(30)]
    step = step_of(aha, "deactivate_user", users[:8])
    held = run_step(step)
    first, second = step.items[0], step.items[1]
    users[1].external_id = "424242"
    users[1].save()

    (same,) = run_step(again(_only(step, first), approved_by="bob", held_hash=held[0].held_hash))
    (changed,) = run_step(
        again(_only(step, second), approved_by="bob", held_hash=held[1].held_hash)
    )

    assert same.exit == "success", same.note
    assert changed.then == Then.IS_HELD
    assert "changed since it was approved" in changed.note
    assert changed.held_hash != held[1].held_hash
    assert Operation.objects.get().guarded is False


def _only(step: Step, item: Item) -> Step:
    return replace(step, items=[item], taken={item.run_id: len(step.items)})


def test_a_switch_that_disables_is_held_too(aha: Desk) -> None:
    """(M-15)"""
    users = [aha.account(email=f"p{number}@acme.example") for number in range(30)]

    outcomes = call_all(aha, "update_user_details", users[:8], inputs={"enabled": False})

    assert {one.then for one in outcomes} == {Then.IS_HELD}
    assert aha.sent("PUT") == []


@pytest.mark.parametrize("value", [False, "{{ title }}", "false", 0])
def test_a_body_that_disables_is_held_too(aha: Desk, value: Any) -> None:
    """(M-15)"""
    users = [
        aha.account(aha.person(email=f"p{number}@acme.example", title="x")) for number in range(30)
    ]
    people = [user.person for user in users[:8] if user.person is not None]
    for user, person in zip(users, people, strict=False):
        person.custom = {aha.id_field: user.external_id}
        person.save()

    outcomes = call_all(
        aha, "update_user_details", people, request={"body": {"user": {"enabled": value}}}
    )

    assert {one.then for one in outcomes} == {Then.IS_HELD}
    assert aha.sent("PUT") == []


def test_protected_accounts_are_spared(aha: Desk) -> None:
    """(M-15, F-27)"""
    boss = aha.account(email="boss@acme.example")
    for number in range(20):
        aha.account(email=f"p{number}@acme.example")
    aha.integration.protected = ["boss@acme.example"]
    aha.integration.save()
    request = {"method": "DELETE", "url": f"users/{boss.external_id}"}

    by_preset = call_one(aha, "deactivate_user", boss)
    by_id = call_one(aha, "deactivate_user", boss, request={"url": f"users/{boss.external_id}"})
    by_own = call_one(aha, "", boss, request=request)

    assert [one.exit for one in (by_preset, by_id, by_own)] == ["failure"] * 3
    assert [one.code for one in (by_preset, by_id, by_own)] == ["protected"] * 3
    assert aha.sent("PUT", "DELETE") == []


# Own requests.


def test_an_own_request_reads(aha: Desk) -> None:
    user = aha.account(email="ann@acme.example")

    outcome = call_one(
        aha,
        "",
        user,
        request={"method": "GET", "url": "users/{{ aha_user_id }}", "params": {"fields": "*"}},
        positive={"variables.name": "{{ response.user.name }}"},
    )

    assert outcome.exit == "success", outcome.note
    assert outcome.variables["name"]
    assert outcome.request["params"] == {"fields": "*"}


def test_an_own_request_that_changes_goes_through_the_journal(aha: Desk) -> None:
    user = aha.account(email="ann@acme.example")
    for number in range(20):
        aha.account(email=f"p{number}@acme.example")

    outcome = call_one(
        aha,
        "",
        user,
        request={
            "method": "PUT",
            "url": "users/{{ aha_user_id }}",
            "body": {"user": {"first_name": "{{ name }}"}},
        },
    )

    row = Operation.objects.get()
    assert outcome.exit == "success", outcome.note
    assert (row.preset, row.takes_access) == ("aha.own_request", True)
    assert row.started_by.startswith('workflow "')


# What only a person can mend.


def test_deleted_credentials_stop_the_batch(aha: Desk) -> None:
    """(F-40)"""
    step = step_of(aha, "get_user_details", [make_person(), make_person()])
    aha.integration.credentials = None
    aha.integration.state = "draft"
    aha.integration.save()
    aha.credentials.delete()

    outcomes = run_step(step)

    assert {one.then for one in outcomes} == {Then.STOPS}
    assert "do not exist any more" in outcomes[0].note


def test_a_deleted_preset_stops_the_batch(aha: Desk) -> None:
    outcome = call_one(aha, "no_such_preset", make_person())

    assert outcome.then == Then.STOPS
    assert "no_such_preset" in outcome.note


def test_another_account_than_the_application_s_stops_the_batch(aha: Desk) -> None:
    """(M-21)"""
    user = aha.account(email="ann@acme.example")
    step = step_of(aha, "get_user_details", [user], inputs={"subdomain": "other"})

    (outcome,) = run_step(step)

    assert outcome.then == Then.STOPS
    assert aha.sent() == []
