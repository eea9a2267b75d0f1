"""`sync` over real HTTP on loopback: exit codes, JSON, plans, one person."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import services
from integrations.models import Integration, PlannedChange, SyncRun
from integrations.reports import plan_rows, run_as_json
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import Sandbox
from people.models import Person
from tests.integrations.commands.conftest import signal_when_asked

BAMBOO, AHA = "BambooHR employees", "Aha! User Load"


def test_a_sync_ends_with_0_and_one_json_object(run: Any, company: Sandbox):
    """C-26."""
    ended = run("sync", BAMBOO, "--json")

    (told,) = json.loads(ended.out)["runs"]
    assert (ended.code, told["state"], told["kind"], told["held"]) == (0, "done", "sync", None)
    assert told["counts"]["people"]["created"] == Person.objects.count() > 40
    assert set(told) == {
        "id",
        "name",
        "kind",
        "state",
        "counts",
        "issues",
        "warnings",
        "held",
        "error",
    }
    assert set(told["counts"]) == {
        "seen",
        "people",
        "saas_users",
        "roles",
        "issues",
        "held",
    }
    assert told["id"] == SyncRun.objects.get().pk


def test_records_with_issues_end_with_1(run: Any, company: Sandbox):
    ended = run("sync", AHA, "--json")

    (told,) = json.loads(ended.out)["runs"]
    assert (ended.code, told["state"]) == (1, "partial")
    assert told["counts"]["issues"] == len(told["issues"]) > 0
    assert set(told["issues"][0]) == {"key", "code", "reason", "detail"}


def test_all_runs_every_active_integration_owners_first(run: Any, company: Sandbox):
    Integration.objects.filter(name=AHA).update(state="paused")
    alone = run("sync", "--all", "--json")
    Integration.objects.filter(name=AHA).update(state="active")
    both = run("sync", "--all", "--json")

    assert [one["name"] for one in json.loads(alone.out)["runs"]] == [BAMBOO]
    assert [one["name"] for one in json.loads(both.out)["runs"]] == [BAMBOO, AHA]
    assert both.code == 1


def test_a_plan_is_stored_and_told_and_nothing_is_applied(run: Any, company: Sandbox):
    """M-13."""
    ended = run("sync", BAMBOO, "--plan", "--json")

    (told,) = json.loads(ended.out)["runs"]
    assert (told["kind"], Person.objects.count()) == ("preview", 0)
    assert len(told["plan"]) == PlannedChange.objects.count() > 40
    first = told["plan"][0]
    assert (first["action"], first["object"]) == ("create", "person")
    assert first["changes"]["email"] == [None, first["key"]]
    assert set(first) == {"action", "object", "key", "reason", "changes", "state"}


def test_a_plan_for_people_shows_old_and_new(run: Any, company: Sandbox):
    run("sync", BAMBOO)
    person = Person.objects.exclude(first_name="").first()
    assert person is not None
    Integration.objects.filter(name=BAMBOO).update(revision=99)
    Person.objects.filter(pk=person.pk).update(first_name="Changed")

    ended = run("sync", BAMBOO, "--plan")

    assert f"first_name: Changed -> {person.first_name}" in ended.out
    assert Person.objects.get(pk=person.pk).first_name == "Changed"


def test_one_person_is_explained_and_nobody_else_is_touched(run: Any, company: Sandbox):
    everybody = json.loads(run("sync", BAMBOO, "--plan", "--json").out)["runs"][0]["plan"]
    email = everybody[3]["key"]

    ended = run("sync", BAMBOO, "--person", email)

    assert ended.code == 0
    assert [person.email for person in Person.objects.all()] == [email]
    assert f"{email}:\n  Known here: person" in ended.out
    assert "Filters: The filters let it pass." in ended.out
    assert f'Sync key: email = "{email}" finds nobody.' in ended.out
    assert f'      email = "{email}"' in ended.out
    assert f"create person {email}" in ended.out


def test_a_planned_person_is_explained_and_not_applied(run: Any, company: Sandbox):
    everybody = json.loads(run("sync", BAMBOO, "--plan", "--json").out)["runs"][0]["plan"]
    email = everybody[3]["key"]

    ended = run("sync", BAMBOO, "--person", email.upper(), "--plan", "--json")

    told = json.loads(ended.out)
    assert Person.objects.count() == 0
    assert told["person"][0]["records"][0]["people"]["email"] == email
    assert [one["field"] for one in told["person"][0]["records"][0]["sync_keys"]] == [
        "employee_id",
        "email",
    ]
    assert [row["key"] for row in told["person"][0]["plan"]] == [email]


def test_a_person_who_is_not_listed_is_said_so(run: Any, company: Sandbox):
    ended = run("sync", BAMBOO, "--person", "nobody@example.com")

    assert "nobody has this e-mail" in ended.out
    assert "not listed" in ended.out


def test_a_second_run_is_refused_with_4(run: Any, company: Sandbox):
    services.queue_run(Integration.objects.get(name=BAMBOO), by="test")

    ended = run("sync", BAMBOO, "--json")

    told = json.loads(ended.out)
    assert (ended.code, told["runs"]) == (4, [])
    assert "already running" in told["errors"][0]["message"]


def test_a_failed_run_ends_with_3_and_tells_no_secret(
    run: Any, company: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """S-05."""
    from integrations.configuration import apply_text

    monkeypatch.setenv("AHA_KEY", "canary-0123456789-wrong")
    apply_text(
        "credentials: [{name: Aha production, vendor: aha, secrets: {value: {env: AHA_KEY}}}]",
        by="it-admin",
    )

    ended = run("sync", AHA, "--json")

    (told,) = json.loads(ended.out)["runs"]
    assert (ended.code, told["state"], told["error"]["code"]) == (3, "failed", "unauthorized")
    assert "canary" not in ended.out + ended.err


def test_the_worst_ending_counts(run: Any, company: Sandbox):
    services.queue_run(Integration.objects.get(name=BAMBOO), by="test")

    ended = run("sync", BAMBOO, AHA, "--json")

    assert (ended.code, len(json.loads(ended.out)["runs"])) == (4, 1)


def test_an_unknown_name_ends_with_2_and_a_suggestion(run: Any, company: Sandbox):
    ended = run("sync", "Aha User Load")

    assert ended.code == 2
    assert ended.err == 'There is no integration "Aha User Load". Did you mean "Aha! User Load"?'


@pytest.mark.parametrize("arguments", [[], [BAMBOO, "--all"]])
def test_names_or_all_but_not_both(run: Any, company: Sandbox, arguments: list[str]):
    assert run("sync", *arguments).code == 2


def test_a_draft_cannot_be_synced_but_previewed(run: Any, company: Sandbox):
    Integration.objects.filter(name=BAMBOO).update(state="draft")

    assert run("sync", BAMBOO).code == 2
    assert run("sync", BAMBOO, "--plan").code == 0


def test_a_run_names_who_asked_for_it(run: Any, company: Sandbox):
    run("sync", BAMBOO)
    run("sync", BAMBOO, "--as", "it-admin")

    assert list(SyncRun.objects.order_by("pk").values_list("started_by", flat=True)) == [
        "command line",
        "it-admin",
    ]


def test_hr_cannot_start_a_run(run: Any, company: Sandbox, hr_viewer: User):
    """C-08, M-36."""
    ended = run("sync", BAMBOO, "--as", "hr-viewer")

    assert (ended.code, SyncRun.objects.count()) == (2, 0)


def test_a_run_that_may_only_be_previewed_says_so(run: Any, company: Sandbox):
    """M-6: the next owner's first run is a preview until somebody has looked."""
    before = services.field_owners()
    Integration.objects.filter(name=AHA).update(priority=1)
    services.hold_new_owners(before)

    held = run("sync", AHA, "--json")
    after = run("sync", AHA, "--json")

    assert (held.code, json.loads(held.out)["runs"][0]["kind"]) == (4, "preview")
    assert "plan" in json.loads(held.out)["runs"][0]
    assert json.loads(after.out)["runs"][0]["kind"] == "sync"


def test_a_report_takes_the_same_queries_however_long_the_plan_is(company: Sandbox, run: Any):
    run("sync", BAMBOO, "--plan")
    one = SyncRun.objects.get()

    with CaptureQueriesContext(connection) as queries:
        report = run_as_json(one, with_plan=True)

    assert report["plan"] == list(plan_rows(one))
    assert len(queries) == 3


def test_what_a_killed_process_left_is_finished_first(run: Any, company: Sandbox):
    left = services.queue_run(Integration.objects.get(name=BAMBOO), by="killed")
    long_ago = timezone.now() - timedelta(minutes=2)
    SyncRun.objects.filter(pk=left.pk).update(state="running", attempts=1, heartbeat_at=long_ago)

    ended = run("sync", BAMBOO, "--json")

    assert ended.code == 0
    assert list(SyncRun.objects.order_by("pk").values_list("state", "attempts")) == [
        ("done", 2),
        ("done", 1),
    ]
    assert f"Run {left.pk} was left by a process that died" in ended.err


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Let Ctrl-C interrupt, as at a terminal: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("at_a_terminal")
def test_ctrl_c_cancels_the_run(run: Any, company: Sandbox):
    (fault,) = company.faults.arm(
        [Fault(kind="delay", vendor="bamboohr", path="reports", seconds=20)]
    )
    later = signal_when_asked(company, fault, signal.SIGINT)

    ended = run("sync", BAMBOO, "--json")

    later.join()
    (told,) = json.loads(ended.out)["runs"]
    assert (ended.code, told["state"]) == (3, "cancelled")
    assert told["error"]["message"] == "Stopped by command line; what it had done is kept."
    assert SyncRun.objects.filter(state__in=SyncRun.ACTIVE_STATES).count() == 0


def test_a_sync_that_the_vendor_puts_off_is_not_waited_for(run: Any, company: Sandbox):
    """F-18: it is parked until the moment that the vendor named; asked again, it says so at once."""
    company.faults.add("status", vendor="aha", status=429, retry_after=86_400)

    first = run("sync", AHA)
    again = run("sync", AHA)

    assert (first.code, again.code) == (4, 4)
    assert SyncRun.objects.get().state == "queued"
    assert "waits until" in first.err
    assert "already running or queued" in again.err
