"""`run_workflow` as a shell sees it: what is done, printed, sent; exit codes, JSON (C-26)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from integrations.installation import pause_installation
from integrations.models import Operation
from people.models import Event, Person
from tests.integrations.presets.desk import Desk
from tests.makers import make_application, make_person, make_saas_user
from tests.workflows.events import TELL
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.starts import start_run

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = {"id", "name", "kind", "state", "counts", "issues", "warnings", "held", "error"}
COUNTS = {"matched", "done", "failed", "waiting", "no_longer_applies", "operations"}
TITLE = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Chief"}},
    "exits": {"success": "end", "failure": "end"},
}
Shell = Callable[..., Any]


class Ended:
    """How the command ended and what it wrote."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def report(self) -> dict[str, Any]:
        (report,) = json.loads(self.out)["runs"]
        found: dict[str, Any] = report
        return found


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    def run(*arguments: str) -> Ended:
        code = 0
        capsys.readouterr()
        try:
            call_command("run_workflow", *arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except CommandError as error:
            return Ended(error.returncode, capsys.readouterr().out, str(error))
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    return run


def titles() -> dict[int, str]:
    return dict(Person.objects.values_list("pk", "title"))


def deactivating(desk: Desk, **begin: Any) -> Workflow:
    call = {
        "key": "call",
        "kind": "api",
        "preset": "aha.deactivate_user",
        "credentials": desk.credentials.name,
        "settings": {"inputs": desk.inputs},
        "exits": {"success": "end", "failure": "end"},
    }
    return make_workflow([call], name="Leavers", begin=begin)


def test_c_26_it_runs_here_and_now_for_all_that_match(shell: Shell) -> None:
    people = [make_person(), make_person(), make_person(status="deactivated")]
    make_workflow([TITLE, TELL], name="Titles", begin={"next": "title"})

    ended = shell("Titles", "--json")

    run = WorkflowRun.objects.get()
    assert ended.code == 0
    assert set(ended.report) >= KEYS
    assert set(ended.report["counts"]) >= COUNTS
    assert (ended.report["id"], ended.report["kind"], ended.report["state"]) == (
        run.pk,
        "workflow",
        "done",
    )
    assert (ended.report["counts"]["matched"], ended.report["counts"]["done"]) == (2, 2)
    assert (run.trigger, run.started_by) == ("command", "command line")
    assert [titles()[person.pk] for person in people] == ["Chief", "Chief", ""]


def test_g_09_a_workflow_for_leavers_is_run_by_hand_for_leavers_as_its_plan_says(
    shell: Shell,
) -> None:
    """Archive is its only action, and `records` was left as it is: active people stay out of it."""
    active, left = make_person(), make_person(status="deactivated")
    make_workflow([TITLE], name="Leavers", begin={"actions": ["archive"]})

    plan = shell("Leavers", "--plan", "--json")
    real = shell("Leavers", "--json")
    alone = shell("Leavers", "--record", active.email)

    assert [row["key"] for row in plan.report["plan"]] == [left.email]
    assert (real.code, titles()) == (0, {active.pk: "", left.pk: "Chief"})
    assert (alone.code, titles()[active.pk]) == (2, "")


def test_m_15_a_part_that_waits_for_the_rest_is_waited_for(shell: Shell) -> None:
    """Three are archived at once; of the others nobody knows it yet when the first part comes."""
    people = [make_person(title="Out") for _number in range(3)]
    people += [make_person() for _number in range(37)]
    rules = {"all": [{"field": "title", "operator": "equals", "value": "Out"}]}
    late = {"all": [{"field": "title", "operator": "equals", "value": "Later"}]}
    block = {"kind": "condition", "settings": {"rules": rules}}
    make_workflow(
        [
            {"key": "one", **block, "exits": {"yes": "out", "no": "two"}},
            {"key": "out", "kind": "archive", "exits": {"success": "end"}},
            {
                "key": "two",
                "kind": "condition",
                "settings": {"rules": late},
                "exits": {"yes": "out", "no": "end"},
            },
        ],
        name="Leavers",
    )

    ended = shell("Leavers", "--json")

    assert (ended.code, ended.report["state"]) == (0, "done")
    assert Person.objects.filter(status="deactivated").count() == 3


def test_c_26_only_the_records_that_are_named(shell: Shell) -> None:
    first, second, third = make_person(), make_person(employee_id="E-7"), make_person()
    make_workflow([TITLE], name="Titles")

    by_mail = shell("Titles", "--record", first.email.upper(), "--record", "E-7")
    by_id = shell("Titles", "--record", str(third.pk), "--json")

    assert (by_mail.code, by_id.code) == (0, 0)
    assert "2 matched: 2 done." in by_mail.out
    assert by_id.report["counts"]["matched"] == 1
    assert titles() == dict.fromkeys([first.pk, second.pk, third.pk], "Chief")


def test_a_saas_user_is_named_by_its_id_or_e_mail_within_the_application(shell: Shell) -> None:
    one, two = make_application("One", tenant="one"), make_application("Two", tenant="two")
    users = [make_saas_user(one, email="ann@example.com"), make_saas_user(one)]
    make_saas_user(two, email="ann@example.com")
    make_workflow([TELL], name="Tell", application=one)

    ended = shell("Tell", "--record", "Ann@Example.com", "--record", users[1].external_id)

    assert ended.code == 0
    assert set(RunItem.objects.values_list("record_id", flat=True)) == {one.pk for one in users}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Title"], 'Did you mean "Titles"'),
        (["Titles", "--record", "nobody@example.com"], "nobody@example.com"),
        (["Titles", "--record", "gone@example.com"], "deactivated"),
        (["Titles", "--as", "nobody"], "no active user"),
    ],
)
def test_what_was_typed_wrong_ends_with_2_and_a_sentence(
    shell: Shell, arguments: list[str], words: str
) -> None:
    make_person(email="gone@example.com", status="deactivated")
    make_workflow([TITLE], name="Titles")

    ended = shell(*arguments)

    assert ended.code == 2
    assert words in ended.err
    assert not WorkflowRun.objects.exists()


def test_c_09_a_workflow_that_is_not_active_is_not_run(shell: Shell) -> None:
    make_workflow([TITLE], name="Titles", active=False)

    ended = shell("Titles")

    assert (ended.code, WorkflowRun.objects.count()) == (2, 0)
    assert "activate it first" in ended.err


def test_as_another_user_it_needs_the_permission(
    shell: Shell, it_admin: User, workflow_editor: User, auditor: User
) -> None:
    """M-36: an editor does not run workflows."""
    make_person()
    make_workflow([TITLE], name="Titles")

    refused = [shell("Titles", "--as", user.username) for user in (workflow_editor, auditor)]
    ended = shell("Titles", "--as", it_admin.username)

    assert [one.code for one in refused] == [2, 2]
    assert ended.code == 0
    assert WorkflowRun.objects.get().started_by == it_admin.username


def test_it_ends_with_4_where_the_same_is_under_way(shell: Shell) -> None:
    person = make_person()
    workflow = make_workflow([TITLE], name="Titles")
    make_item(make_run(workflow), person)

    everybody, one = shell("Titles"), shell("Titles", "--record", person.email)

    assert (everybody.code, one.code) == (4, 4)
    assert "already running" in everybody.err
    assert person.email in one.err
    assert WorkflowRun.objects.count() == 1


def test_it_ends_with_4_while_rolecall_is_paused(shell: Shell) -> None:
    make_workflow([TITLE], name="Titles")
    pause_installation("restored from a backup", by="test", now=timezone.now())

    ended = shell("Titles")

    assert ended.code == 4
    assert "restored from a backup" in ended.err


def test_it_ends_with_4_where_the_guard_holds_removals(shell: Shell) -> None:
    """M-15."""
    for _number in range(3):
        make_person()
    gone = {"key": "gone", "kind": "archive", "exits": {"success": "end", "failure": "end"}}
    make_workflow([gone], name="Leavers")

    ended = shell("Leavers", "--json")

    run = WorkflowRun.objects.get()
    assert ended.code == 4
    assert ended.report["state"] == "held"
    assert ended.report["held"]["plan"] == f"w{run.pk}"
    assert ended.report["held"]["removals"] == 3
    assert "limit of 1" in ended.report["held"]["why"]
    assert not Person.objects.filter(status="deactivated").exists()


def test_what_waits_for_a_delay_stays_with_the_workers(shell: Shell) -> None:
    make_person()
    wait = {
        "key": "wait",
        "kind": "delay",
        "settings": {"for_days": 3},
        "exits": {"success": "end"},
    }
    make_workflow([wait], name="Later")

    ended = shell("Later", "--json")

    assert ended.code == 4
    assert (ended.report["state"], ended.report["counts"]["waiting"]) == ("running", 1)


# With a vendor ---------------------------------------------------------------------------------


def test_c_26_a_plan_prints_the_request_and_sends_and_writes_nothing(
    shell: Shell, aha: Desk
) -> None:
    """GT-20."""
    account = aha.account(make_person())
    person = aha.person(vendor_id=account.external_id)
    rules = {"all": [{"field": "aha_user_id", "operator": "is_not_empty"}]}
    deactivating(aha, rules=rules)
    before = fingerprint()
    aha.sandbox.log.clear()

    told = shell("Leavers", "--plan", "--json")
    printed = shell("Leavers", "--plan")

    (row,) = told.report["plan"]
    assert (told.code, printed.code) == (0, 0)
    assert {"action", "object", "key", "reason", "changes"} <= set(row)
    assert (row["object"], row["key"], row["block"]) == ("person", person.email, "call")
    assert row["request"]["method"] == "PUT"
    assert account.external_id in json.dumps(row["request"])
    assert told.report["counts"]["matched"] == 1
    assert account.external_id in printed.out
    assert "Nothing was sent." in printed.out
    assert aha.sent() == []
    assert fingerprint() == before
    assert not any(one in told.out + printed.out for one in aha.secrets)


def fingerprint() -> list[tuple[str, int]]:
    """How many rows each table has."""
    found = []
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names()):
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - names of tables
            found.append((table, cursor.fetchone()[0]))
    return found


def test_a_plan_of_a_record_that_does_not_match_says_why(shell: Shell) -> None:
    person = make_person(location="Paris")
    rules = {"all": [{"field": "location", "operator": "equals", "value": "London"}]}
    make_workflow([TITLE], name="Titles", begin={"rules": rules})

    ended = shell("Titles", "--plan", "--json", "--record", person.email)

    (row,) = ended.report["plan"]
    assert row["action"] == "skip"
    assert "location" in row["reason"]


def test_c_24_a_call_is_sent_once_and_recorded(shell: Shell, aha: Desk) -> None:
    person = aha.person()
    account = aha.account(person)
    Person.objects.filter(pk=person.pk).update(custom={aha.id_field: account.external_id})
    for _number in range(4):
        aha.account(make_person())
    deactivating(aha, rules={"all": [{"field": "aha_user_id", "operator": "is_not_empty"}]})
    aha.sandbox.log.clear()

    ended = shell("Leavers", "--json")

    assert ended.code == 0, ended.out + ended.err
    assert ended.report["counts"]["operations"] == {"done": 1, "refused": 0, "unknown": 0}
    assert len(aha.sent("PUT")) == 1
    row = BlockRun.objects.get()
    assert (row.exit, row.operation_id) == ("success", Operation.objects.get().pk)


def test_f_20_what_nobody_knows_of_a_call_is_looked_up_before_it_ends(
    shell: Shell, aha: Desk
) -> None:
    """The answer is lost after the vendor did it."""
    person = aha.person()
    account = aha.account(person)
    Person.objects.filter(pk=person.pk).update(custom={aha.id_field: account.external_id})
    for _number in range(4):
        aha.account(make_person())
    deactivating(aha, rules={"all": [{"field": "aha_user_id", "operator": "is_not_empty"}]})
    aha.sandbox.faults.add("reset", vendor="aha", method="PUT", commit=True, count=1)

    ended = shell("Leavers", "--json")

    assert ended.code == 0, ended.out + ended.err
    assert ended.report["counts"]["operations"]["done"] == 1
    assert Operation.objects.get().state == "done"


def test_records_that_fail_end_it_with_1_or_3_and_say_why(shell: Shell, aha: Desk) -> None:
    """AH-39: an empty id is stopped before sending."""
    aha.person(location="Here")
    deactivating(aha, rules={"all": [{"field": "location", "operator": "equals", "value": "Here"}]})
    aha.sandbox.log.clear()

    failed = shell("Leavers", "--json")

    assert failed.code == 3
    (issue,) = failed.report["issues"]
    assert set(issue) == {"key", "code", "reason", "detail"}
    assert "aha_user_id" in issue["reason"].lower().replace(" ", "_")
    assert aha.sent("PUT") == []


def test_m_35_secrets_kept_outside_are_read_by_this_command_and_it_goes_on_later(
    shell: Shell,
) -> None:
    """No worker may; the next call of the command goes on with what waited."""
    person = make_person()
    wait = {
        "key": "wait",
        "kind": "delay",
        "settings": {"for_hours": 1},
        "exits": {"success": "title"},
    }
    make_workflow([wait, TITLE], name="Local", begin={"next": "wait"})
    WorkflowVersion.objects.update(local=True)
    first = shell("Local")
    began = timezone.now() - timedelta(hours=2)
    RunItem.objects.update(due_at=began, context={"since": began.isoformat(), "waited": True})

    second = shell("Local", "--json")

    earlier, later = WorkflowRun.objects.order_by("pk")
    assert (first.code, second.code) == (4, 4)
    assert (earlier.state, later.state) == ("done", "running")
    assert titles() == {person.pk: "Chief"}
    assert Event.objects.count() == 1


def test_m_35_what_a_killed_command_left_is_done_by_the_next_one(shell: Shell) -> None:
    """(F-05) One died before it chose its records, another at work on one; no worker may help."""
    person = make_person()
    workflow = make_workflow([TITLE], name="Local")
    WorkflowVersion.objects.update(local=True)
    queued = start_run(workflow, trigger="command", started_by="command line", ids=None)
    lapsed = timezone.now() - timedelta(hours=1)
    item = make_item(make_run(workflow), person, state="working", leased_until=lapsed)

    ended = shell("Local")

    item.refresh_from_db()
    queued.refresh_from_db()
    assert ended.code == 0, ended.err
    assert item.state == "done"
    assert (queued.state, queued.matched) == ("done", 1)
    assert list(WorkflowRun.objects.values_list("state", flat=True)) == ["done"] * 3


def test_c_09_a_killed_start_of_a_paused_workflow_chooses_no_records(shell: Shell) -> None:
    make_person()
    workflow = make_workflow([TITLE], name="Local")
    WorkflowVersion.objects.update(local=True)
    queued = start_run(workflow, trigger="command", started_by="command line", ids=None)
    Workflow.objects.update(state="paused")

    ended = shell("Local")

    queued.refresh_from_db()
    assert (ended.code, queued.state) == (2, "queued")
