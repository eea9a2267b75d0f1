"""The SaaS User Role block at four vendors: roles, not found, deactivated here, few calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import LinkState
from people.models import Event
from saas.models import SaaSUser
from tests.makers import make_application, make_credentials, make_role, make_saas_user
from tests.makers import make_run as make_sync_run
from tests.workflows.blocks.offices import VENDORS, Office, finish, offices, roles_now
from tests.workflows.blocks.steps import again, make_step, plan_step, run_step
from tests.workflows.makers import make_workflow
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import read_facts
from workflows.kinds import Outcome, Then, find_kind
from workflows.models import Workflow

Open = Callable[[str], Office]
PAGES = {"aha": 200, "betterworks": 30, "goto": 1000, "monday": 500}
# So many people have three hundred accounts and more there.
PEOPLE = {"aha": 950, "betterworks": 600, "goto": 600, "monday": 800}
# A record of each vendor that it says is not active.
INACTIVE: dict[str, dict[str, Any]] = {
    "aha": {"enabled": False},
    "goto": {"status": "SUSPENDED"},
    "monday": {"status": "INACTIVE"},
}


@pytest.fixture
def open_office(db: None, settings: Any) -> Iterator[Open]:
    """Open the office of a vendor that has twelve accounts, and whoever owns the key."""
    with offices(settings) as opened:
        yield opened


def chosen(office: Office, user: SaaSUser, *, alone: bool) -> list[SaaSUser]:
    """Everybody, by the listing; or one account, where the listing would take more calls."""
    if alone:
        office.pad()
        return [user]
    return office.users()


def on(choice: str) -> dict[str, Any]:
    """One choice of the block, ticked."""
    return {choice: True}


def status(user: SaaSUser) -> str:
    return SaaSUser.objects.get(pk=user.pk).status


# Roles.


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"is_goalmaster": True}, ["Goalmaster"]),
        ({"is_super_admin": True}, ["Super Admin"]),
        ({"is_admin": True}, ["Admin"]),
        ({"is_group_admin": True}, ["Group Admin"]),
        ({}, ["Member"]),
        ({"is_hr_admin": True}, ["Member"]),
        (
            {"is_goalmaster": True, "is_admin": True, "is_super_admin": True},
            ["Super Admin", "Admin", "Goalmaster"],
        ),
    ],
)
def test_betterworks_roles_follow_the_flags(
    open_office: Open, flags: dict[str, bool], expected: list[str]
):
    """BW-45..51: a row for each flag, the primary one first; HR Admin is a Member."""
    office = open_office("betterworks")
    user = office.join(**flags)

    (outcome,) = office.read([user])

    assert (outcome.exit, roles_now(user)) == ("success", expected)
    assert office.effects() == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "admin"}, ["Admin"]),
        ({"kind": "view_only"}, ["View only"]),
        ({"kind": "guest", "status": "PENDING"}, ["Guest", "Pending"]),
        ({"kind": "member"}, ["Member"]),
    ],
)
def test_monday_roles_follow_kind_and_status(
    open_office: Open, values: dict[str, Any], expected: list[str]
):
    """MO-36."""
    office = open_office("monday")
    user = office.join(**values)

    office.read([user])

    assert roles_now(user) == expected


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["MANAGE_USERS", "SUPER_USER"], ["SUPER_USER", "MANAGE_USERS"]),
        ([], ["Member"]),
    ],
)
def test_goto_admin_roles_are_all_shown_and_none_is_member(
    open_office: Open, roles: list[str], expected: list[str]
):
    """GT-31, GT-37, GT-38, GT-39."""
    office = open_office("goto")
    user = office.join(adminRoles=roles)

    office.read([user])

    assert roles_now(user) == expected


@pytest.mark.parametrize("vendor", VENDORS)
def test_three_hundred_users_cost_as_many_calls_as_the_listing_has_pages_and_five(
    open_office: Callable[..., Office], vendor: str
):
    """performance.md, section 2; every account gets a role, and nothing changes at the vendor."""
    office = open_office(vendor, people=PEOPLE[vendor])
    users = office.users()
    assert len(users) >= 300

    outcomes = office.read(users)

    assert len(office.calls()) <= math.ceil(len(users) / PAGES[vendor]) + 5
    assert {outcome.exit for outcome in outcomes} == {"success"}
    active = SaaSUser.objects.filter(application=office.application, roles__valid_to=None)
    with_roles = set(active.filter(roles__isnull=False).values_list("pk", flat=True))
    silent = [one for one in outcomes if one.roles is None]
    assert len(with_roles) + len(silent) == len(users)
    assert len(silent) < len(users) / 3
    assert office.effects() == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_user_is_asked_for_alone(open_office: Open, vendor: str):
    """Where that takes no more calls than the listing."""
    office = open_office(vendor)
    user = office.join()
    office.pad()
    office.sandbox.log.clear()

    (outcome,) = office.read([user])

    assert outcome.exit == "success"
    assert len(office.calls()) <= 5
    assert user.external_id in repr(outcome.request)
    assert roles_now(user)


def test_a_batch_asks_the_database_as_much_for_many_as_for_few(
    open_office: Callable[..., Office],
):
    """house.md: no query per record; each request keeps the pace with one more."""
    office = open_office("goto", people=100)
    workflow = office.workflow()
    counts = []
    for users in (office.users()[:10], office.users()):
        step = make_step(workflow, "role", users)
        with CaptureQueriesContext(connection) as asked:
            finish(step)
        counts.append(len([one for one in asked if "integrations_pace" not in one["sql"]]))

    assert len(office.users()) >= 30
    assert counts[0] == counts[1]
    assert counts[0] <= 40


def test_a_second_reading_multiplies_nothing_and_a_lost_role_ends(open_office: Open):
    """AH-48, BW-50."""
    office = open_office("betterworks")
    user = office.join(is_admin=True, is_goalmaster=True)
    office.read([user])
    office.read([user])
    assert Event.objects.count() == 1

    office.change(user, is_goalmaster=False)
    office.read([user])

    assert roles_now(user) == ["Admin"]
    assert user.roles.filter(role="Goalmaster", valid_to__isnull=False).count() == 1


def test_the_load_looks_again_at_accounts_whose_roles_were_written(open_office: Open):
    """M-7."""
    office = open_office("betterworks")
    user, other = office.join(is_admin=True), office.join()

    office.read([user])

    hashes = dict(LinkState.objects.values_list("link__saas_user", "hash"))
    assert (hashes[user.pk], hashes[other.pk]) == ("", "x")


def test_an_account_that_is_deactivated_here_gets_no_roles(open_office: Open):
    """M-29: only active accounts have roles."""
    office = open_office("aha")
    user = office.join()
    SaaSUser.objects.filter(pk=user.pk).update(status="deactivated")

    (outcome,) = office.read([user])

    assert (outcome.exit, roles_now(user), status(user)) == ("success", [], "deactivated")


# Deactivated by the vendor's word.


@pytest.mark.parametrize("vendor", ["aha", "goto", "monday"])
def test_deactivate_user_follows_the_status_of_the_vendor(open_office: Open, vendor: str):
    """GT-33, AH-51, MO-34: on, the account here is deactivated and its roles are closed."""
    office = open_office(vendor)
    user, other = office.join(), office.join()
    office.read([user, other])
    office.change(user, **INACTIVE[vendor])

    office.read([user, other], deactivate_user=True)

    assert (status(user), roles_now(user)) == ("deactivated", [])
    assert (status(other), roles_now(other)) == ("active", ["Member"])
    event = Event.objects.get(kind="archive")
    assert (event.object_id, event.source, event.guarded) == (user.pk, "workflow", True)
    assert office.effects() == []


@pytest.mark.parametrize("vendor", ["aha", "goto", "monday"])
def test_without_deactivate_user_the_block_changes_nothing(open_office: Open, vendor: str):
    """GT-35, AH-51."""
    office = open_office(vendor)
    user = office.join()
    office.read([user])
    office.change(user, **INACTIVE[vendor])

    (outcome,) = office.read([user], deactivate_not_found=True)

    assert (status(user), roles_now(user)) == ("active", ["Member"])
    assert "left the account here as it is" in outcome.note


@pytest.mark.parametrize("word", ["ACTIVE", "INVITED", "INACTIVE"])
def test_any_other_status_of_goto_deactivates_nobody(open_office: Open, word: str):
    """GT-34."""
    office = open_office("goto")
    user = office.join(status=word)

    office.read([user], deactivate_user=True)

    assert status(user) == "active"


# Not found.


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("alone", [True, False])
def test_not_found_is_noted_with_its_time_and_the_account_stays(
    open_office: Open, vendor: str, *, alone: bool
):
    """BW-53, GT-36, AH-51, MO-34: success, "not found"; found again, the note goes."""
    office = open_office(vendor)
    user = office.join()
    office.read([user])
    office.remove(user)
    users = chosen(office, user, alone=alone)
    before = Event.objects.count()

    outcome = office.read(users)[-1]

    user.refresh_from_db()
    assert (outcome.exit, outcome.code, user.status) == ("success", "not_found", "active")
    assert "not found" in outcome.note.lower()
    assert user.not_found_at is not None
    assert roles_now(user) == ["Member"]
    assert not Event.objects.filter(object_id=user.pk, pk__gt=before, kind="archive").exists()


@pytest.mark.parametrize(
    ("vendor", "choice"),
    [
        ("betterworks", "deactivate_user"),
        ("aha", "deactivate_not_found"),
        ("goto", "deactivate_not_found"),
        ("monday", "deactivate_not_found"),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_who_is_gone_is_deactivated_by_choice_and_nothing_changes_there(
    open_office: Open, vendor: str, choice: str, *, alone: bool
):
    """BW-52, BW-54, GT-36, AH-51, MO-34; M-11: proven by a look-up and a control record."""
    office = open_office(vendor)
    user = office.join()
    office.remove(user)

    users = chosen(office, user, alone=alone)
    office.sandbox.log.clear()

    outcome = office.read(users, **on(choice))[-1]

    assert (outcome.exit, status(user)) == ("success", "deactivated")
    assert Event.objects.filter(kind="archive").count() == 1
    assert office.effects() == []


def test_deactivate_user_of_goto_leaves_who_is_not_found(open_office: Open):
    """GT-36: that is a choice of its own."""
    office = open_office("goto")
    user = office.join()
    office.remove(user)

    office.read([user], deactivate_user=True)

    assert status(user) == "active"


def test_too_many_that_are_gone_are_held_before_anybody_is_looked_up(open_office: Open):
    """M-11, M-15: all of the run, and none is written; the listing alone was read."""
    office = open_office("betterworks")
    users = [office.join() for _number in range(8)]
    office.remove(*users)

    outcomes = office.read(office.users(), deactivate_user=True)

    held = [one for one in outcomes if one.then == Then.IS_HELD]
    assert len(held) == len(users)
    assert all(one.held_hash and "Not deactivated yet" in one.note for one in held)
    assert not SaaSUser.objects.filter(status="deactivated").exists()
    assert not any(user.external_id in call for user in users for call in office.calls())


def test_what_was_approved_is_proven_anew_and_deactivated(open_office: Open):
    """M-11, M-14: who is back meanwhile stays."""
    office = open_office("betterworks")
    gone = [office.join() for _number in range(8)]
    office.remove(*gone)
    workflow = office.workflow(deactivate_user=True)
    step = make_step(workflow, "role", office.users())
    held = {
        item.record.id: outcome.held_hash
        for item, outcome in zip(step.items, finish(step), strict=True)
        if outcome.then == Then.IS_HELD
    }
    back = office.users()[0]  # it was never gone

    for user in (gone[0], back):
        values: dict[str, Any] = {"approved_by": "it-admin", "held_hash": held.get(user.pk, "")}
        finish(make_step(workflow, "role", [user], **values))

    assert (status(gone[0]), status(back)) == ("deactivated", "active")
    event = Event.objects.get(kind="archive")
    assert (event.guarded, event.approved_by) == (False, "it-admin")


def test_a_listing_under_eighty_percent_of_the_last_one_removes_nobody_by_itself(
    open_office: Open,
):
    """M-15."""
    office = open_office("betterworks")
    make_sync_run(office.integration, listing={"complete": True, "records": 1_000})
    user = office.join()
    office.remove(user)

    outcome = office.read(office.users(), deactivate_user=True)[-1]

    assert outcome.then == Then.IS_HELD
    assert "80 %" in outcome.note
    assert status(user) == "active"


def test_who_is_protected_stays_though_they_are_gone(open_office: Open):
    """M-15, F-27: and the outcome says so."""
    office = open_office("betterworks")
    user = office.join()
    office.integration.protected = [user.external_id]
    office.integration.save()
    office.remove(user)

    outcome = office.read(office.users(), deactivate_user=True)[-1]

    user.refresh_from_db()
    assert (outcome.exit, user.status) == ("success", "active")
    assert "Protected" in outcome.note
    assert user.not_found_at is not None


def test_a_listing_without_the_field_that_says_roles_leaves_them_alone(open_office: Open):
    """M-12: GoTo leaves adminRoles out for who has none, but not for everybody at once."""
    office = open_office("goto")
    make_sync_run(
        office.integration,
        listing={"complete": True, "records": 1, "role_fields": ["adminRoles"]},
    )
    user = office.join(adminRoles=[])
    make_role(user, "SUPER_USER")
    office.sandbox.faults.add("omit_field", vendor="goto", field="adminRoles", rate=1)

    outcome = office.read(office.users())[-1]

    assert (outcome.exit, outcome.code) == ("success", "roles_unknown")
    assert "as they were" in outcome.note
    assert roles_now(user) == ["SUPER_USER"]


def test_a_proof_that_became_old_is_asked_for_again(open_office: Open):
    """M-11: at most 15 minutes old when it is applied."""
    office = open_office("betterworks")
    user = office.join()
    office.remove(user)
    start = timezone.now()

    def clock() -> datetime:
        asked = any(user.external_id in call for call in office.calls())
        return start + timedelta(minutes=16) if asked else start

    step = make_step(office.workflow(deactivate_user=True), "role", [user], clock=clock)

    (outcome,) = run_step(step)

    assert outcome.then == Then.WAITS
    assert not outcome.removes
    assert "asked again" in outcome.note


# Nobody knows.


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("code", [401, 403, 500, 503, 429])
@pytest.mark.parametrize("alone", [True, False])
def test_an_error_never_means_not_found(open_office: Open, vendor: str, code: int, *, alone: bool):
    """C-25: nothing is written, whatever is ticked; it waits, or takes the failure exit."""
    office = open_office(vendor)
    user = office.join()
    office.read([user])
    office.remove(user)
    # A pause that is too long to sit and wait.
    office.sandbox.faults.add("status", vendor=vendor, status=code, retry_after=1_000)
    users = chosen(office, user, alone=alone)
    choice = "deactivate_user" if vendor == "betterworks" else "deactivate_not_found"

    outcomes = office.read(users, **on(choice))

    user.refresh_from_db()
    assert (user.status, user.not_found_at, roles_now(user)) == ("active", None, ["Member"])
    assert all(one.then == Then.WAITS or one.exit == "failure" for one in outcomes)
    assert all("could not be read" in one.note for one in outcomes)


def test_an_answer_without_sense_is_a_failure_not_an_absence(open_office: Open):
    """C-25."""
    office = open_office("betterworks")
    user = office.join()
    office.sandbox.faults.add("html", vendor="betterworks")

    (outcome,) = office.read([user], deactivate_user=True)

    assert (outcome.exit, status(user)) == ("failure", "active")
    assert outcome.failure is not None
    assert "could not be read" in outcome.failure.reason


def test_an_empty_listing_removes_nobody_by_itself(open_office: Open):
    """M-15, C-25: it is held, and nobody is marked as not found."""
    office = open_office("betterworks")
    user = office.join()
    office.sandbox.faults.add("empty", vendor="betterworks")

    (outcome,) = office.read([user], deactivate_user=True)

    user.refresh_from_db()
    assert (outcome.then, user.status, user.not_found_at) == (Then.IS_HELD, "active", None)


def test_what_a_broken_listing_had_counts_and_the_others_are_asked_for(
    open_office: Callable[..., Office],
):
    """A page that repeats itself: the listing is not whole, and says of nobody that they left."""
    office = open_office("betterworks", people=60)
    user = office.join(is_admin=True)
    office.sandbox.faults.add("repeat_page", vendor="betterworks", page=2)

    outcomes = office.read(office.users(), deactivate_user=True)

    assert {one.exit for one in outcomes} == {"success"}
    assert roles_now(user) == ["Admin"]
    assert not SaaSUser.objects.filter(status="deactivated").exists()
    assert any(user.external_id in call for call in office.calls())


def test_m_11_nobody_is_taken_for_gone_after_a_listing_that_broke_off(
    open_office: Callable[..., Office],
):
    """F-23: also who is really gone stays until a whole listing lacks them."""
    office = open_office("betterworks", people=60)
    gone = office.join()
    office.remove(gone)
    office.sandbox.faults.add("repeat_page", vendor="betterworks", page=2)

    outcomes = office.read(office.users(), deactivate_user=True)

    gone.refresh_from_db()
    (outcome,) = [one for one in outcomes if one.exit == "failure"]
    assert outcome.code == "listing_broken"
    assert (gone.status, gone.not_found_at) == ("active", None)


@pytest.mark.parametrize("ticks", [{}, {"deactivate_user": True}])
def test_after_a_listing_that_broke_off_not_found_is_an_answer_where_nobody_would_be_removed(
    open_office: Callable[..., Office], ticks: dict[str, Any]
):
    office = open_office("betterworks", people=60)
    gone = office.join()
    office.remove(gone)
    if ticks:
        SaaSUser.objects.filter(pk=gone.pk).update(status="deactivated")
    office.sandbox.faults.add("repeat_page", vendor="betterworks", page=2)

    outcomes = office.read(office.users(), **ticks)

    assert {one.exit for one in outcomes} == {"success"}
    assert [one.code for one in outcomes if one.found is False] == ["not_found"]


def test_it_waits_five_times_longer_each_time_and_then_fails(open_office: Open):
    office = open_office("betterworks")
    user = office.join()
    office.sandbox.faults.add("status", vendor="betterworks", status=429, retry_after=2_000)
    start = timezone.now()
    step = make_step(office.workflow(), "role", [user], now=start)
    pauses, outcome = [], Outcome()

    for _number in range(5):
        (outcome,) = finish(step)
        if outcome.due_at is not None:
            pauses.append((outcome.due_at - start).total_seconds())
        step = again(step, context={**step.items[0].context, **outcome.context})

    # What the vendor asked for, and then what we wait by ourselves.
    assert len(pauses) == 4
    assert all(1_900 <= pause <= 2_000 for pause in pauses[:3])
    assert pauses[3] == 3_600
    assert (outcome.exit, outcome.then) == ("failure", Then.GOES_ON)
    assert "could not be read" in outcome.note


# What only a person can mend.


def test_credentials_that_were_deleted_stop_the_workflow(open_office: Open):
    office = open_office("betterworks")
    user = office.join()
    step = make_step(office.workflow(), "role", [user])
    office.integration.delete()
    office.credentials.delete()

    (outcome,) = run_step(step)

    assert outcome.then == Then.STOPS
    assert "credentials" in outcome.note


def test_another_account_is_never_read(open_office: Open):
    """M-21: the application is another account of the vendor."""
    office = open_office("monday")
    user = office.join()
    application = office.application
    type(application).objects.filter(pk=application.pk).update(tenant="999")
    application.refresh_from_db()
    step = make_step(office.workflow(), "role", [user])

    (outcome,) = run_step(step)

    assert outcome.then == Then.STOPS
    assert '"999"' in outcome.note


# Plans and checks.


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_plan_sends_nothing_and_shows_the_call(open_office: Open, vendor: str):
    """GT-20, C-26."""
    office = open_office(vendor)
    user = office.join()
    office.sandbox.log.clear()

    (planned,) = plan_step(make_step(office.workflow(deactivate_user=True), "role", [user]))

    assert office.calls() == []
    assert user.external_id in repr(planned.request)
    assert "Deactivates the account here" in planned.summary
    secrets = office.sandbox.credentials(vendor)["secrets"].values()
    assert not any(secret in repr(planned) for secret in secrets)


def check(workflow: Workflow, **part: Any) -> list[Mistake]:
    kind = find_kind("saas_user_role")
    assert kind is not None
    block = BlockPart(**{"key": "role", "kind": "saas_user_role", **part})
    return list(kind.check(block, read_facts(workflow)))


@pytest.fixture
def aha_roles(db: None) -> Workflow:
    application = make_application()
    make_saas_user(application)
    make_credentials("Aha", tenant="mycompany")
    return make_workflow([], application=application, active=False)


GOOD: dict[str, Any] = {
    "preset": "aha.user_role",
    "credentials": "Aha",
    "settings": {"inputs": {"subdomain": "mycompany"}, "deactivate_user": True},
}


def test_a_whole_block_has_no_mistakes(aha_roles: Workflow):
    """AH-45, GT-32: preset, credentials, sub-domain, Deactivate User."""
    assert check(aha_roles, **GOOD) == []


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"preset": ""}, "preset", "Aha! User Role"),
        ({"preset": "aha.no_such"}, "preset", "Aha! User Role"),
        ({"preset": "aha.get_user_details"}, "preset", "reads no roles"),
        ({"preset": "goto.user_role"}, "preset", "GoTo"),
        ({"credentials": ""}, "credentials", "Choose"),
        ({"credentials": "Gone"}, "credentials", "Gone"),
        ({"settings": {"deactivate_user": "yes"}}, "settings.deactivate_user", "true"),
        ({"settings": {"inputs": {"subdomain": "other"}}}, "settings.inputs.subdomain", "other"),
        ({"settings": {"inputs": {"subdomain": "a b"}}}, "settings.inputs.subdomain", "cannot"),
        ({"settings": {"deactivate": True}}, "settings.deactivate", "deactivate_user"),
    ],
)
def test_each_mistake_is_on_its_field(
    aha_roles: Workflow, change: dict[str, Any], field: str, words: str
):
    """M-21, C-10."""
    mistakes = check(aha_roles, **{**GOOD, **change})

    assert any(one.field == field and words in one.message for one in mistakes), mistakes


def test_deactivate_not_found_is_refused_where_deactivate_user_means_it(db: None):
    """interface.md: Betterworks."""
    application = make_application("Betterworks", vendor="betterworks", tenant="main")
    make_saas_user(application)
    make_credentials("BW", vendor="betterworks")
    workflow = make_workflow([], application=application, active=False)
    part = {"preset": "betterworks.user_role", "credentials": "BW"}

    mistakes = check(workflow, **part, settings={"deactivate_not_found": True})

    assert [one.field for one in mistakes] == ["settings.deactivate_not_found"]
    assert check(workflow, **part, settings={"deactivate_user": True}) == []


def test_an_application_without_users_gives_the_prerequisite(aha_roles: Workflow):
    """C-23, BW-43, GT-31."""
    SaaSUser.objects.all().delete()

    (mistake,) = check(aha_roles, **GOOD)

    assert "run the user integration with User plus SaaS User first" in mistake.message


def test_people_have_no_such_block(db: None):
    (mistake,) = check(make_workflow([], active=False), **GOOD)

    assert "SaaS users" in mistake.message


def test_roles_of_a_protected_account_follow_what_the_vendor_states(open_office: Open):
    """M-15: what the vendor itself says of an account is recorded."""
    office = open_office("goto")
    user = office.join()
    office.integration.protected = [user.email]
    office.integration.save()
    make_role(user, "Member")
    office.change(user, status="SUSPENDED")

    office.read([user], deactivate_user=True)

    assert status(user) == "deactivated"
