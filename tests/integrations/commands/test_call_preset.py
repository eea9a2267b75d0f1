"""`call_preset` as a shell sees it: what is printed, what is sent, exit codes, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from integrations.models import Operation
from integrations.sandbox.server import Sandbox
from integrations.vendors.aha.sandbox import Vendor as AhaSide
from people.models import Person
from saas.models import SaaSUser

KEYS = {"id", "name", "kind", "state", "counts", "issues", "warnings", "held", "error"}
COUNTS = {"matched", "done", "failed", "waiting", "no_longer_applies", "operations"}


@pytest.fixture
def ann(company: Sandbox, run: Any) -> SaaSUser:
    """An enabled Aha! user who is not the owner of the key, loaded with her person."""
    assert run("sync", "Aha! User Load").code in {0, 1}
    side = company.state["aha"]
    assert isinstance(side, AhaSide)
    users = SaaSUser.objects.filter(status="active", person__isnull=False, email__gt="")
    found = users.exclude(external_id=side.owner_id).order_by("pk").first()
    assert found is not None
    company.log.clear()
    return found


def call(run: Any, preset: str, record: str, *more: str) -> Any:
    return run("call_preset", preset, "--credentials", "Aha production", "--record", record, *more)


def told(ended: Any) -> dict[str, Any]:
    (report,) = json.loads(ended.out)["runs"]
    assert set(report) >= KEYS
    assert set(report["counts"]) == COUNTS
    assert report["kind"] == "preset"
    report_of_one: dict[str, Any] = report
    return report_of_one


def test_a_plan_prints_the_request_and_sends_nothing(run: Any, company: Sandbox, ann: SaaSUser):
    """GT-20, issue: secrets masked."""
    ended = call(run, "aha.deactivate_user", ann.email, "--plan")

    assert ended.code == 0
    assert f"PUT {company.base_url('aha')}/users/{ann.external_id}" in ended.out
    assert '"enabled": false' in ended.out
    assert list(company.log) == []
    assert company.credentials("aha")["secrets"]["value"] not in ended.out + ended.err


def test_a_plan_as_json_holds_the_masked_request(run: Any, company: Sandbox, ann: SaaSUser):
    report = told(call(run, "aha.deactivate_user", ann.email, "--plan", "--json"))

    (row,) = report["plan"]
    assert {"action", "object", "key", "reason", "changes"} <= set(row)
    assert row["request"]["body"] == {"user": {"enabled": False}}
    assert (report["state"], report["counts"]["matched"]) == ("done", 1)
    assert report["counts"]["operations"] == {"done": 0, "refused": 0, "unknown": 0}


def test_a_change_goes_through_the_journal(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-38: the vendor's account ends disabled, and here nothing is changed by that."""
    ended = call(run, "aha.deactivate_user", ann.external_id, "--json")

    report = told(ended)
    row = Operation.objects.get()
    assert (ended.code, report["state"], report["id"]) == (0, "done", row.pk)
    assert report["counts"]["operations"] == {"done": 1, "refused": 0, "unknown": 0}
    assert report["answer"]["values"]["aha_is_enabled"] is False
    side = company.state["aha"]
    assert isinstance(side, AhaSide)
    assert not side.users[ann.external_id].enabled
    assert (row.started_by, row.guarded, row.saas_user_id) == ("command line", True, ann.pk)
    assert SaaSUser.objects.get(pk=ann.pk).status == "active"


def test_only_what_is_given_is_sent(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-41, F-36."""
    ended = call(run, "aha.update_user_details", ann.email, "--input", "first_name=Bea")

    assert ended.code == 0
    (sent,) = [one for one in company.log if one.method == "PUT"]
    assert json.loads(sent.body) == {"user": {"first_name": "Bea"}}


def test_false_is_warned_of(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-42."""
    ended = call(
        run, "aha.update_user_details", ann.email, "--input", "administrator=false", "--plan"
    )

    assert "Warning: Administrator is set to false." in ended.err
    assert list(company.log) == []


def test_a_read_prints_its_named_values_and_the_answer(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-40."""
    ended = call(run, "aha.get_user_details", ann.email)

    assert ended.code == 0
    assert f"aha_user_id = {ann.external_id}" in ended.out
    assert '"product_roles"' in ended.out
    assert Operation.objects.count() == 0


def test_roles_are_printed(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-45."""
    report = told(call(run, "aha.user_role", ann.email, "--json"))

    assert report["account"]["found"] is True
    assert report["account"]["status"] == "active"
    assert report["account"]["roles"]


def test_an_account_that_is_not_there_is_an_issue(run: Any, company: Sandbox, ann: SaaSUser):
    """C-25."""
    company.state["aha"].delete_record(ann.external_id)

    ended = call(run, "aha.user_role", ann.email, "--json")

    assert (ended.code, told(ended)["issues"][0]["code"]) == (1, "not_found")


def test_a_refusal_ends_with_3_and_says_what_is_needed(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-44."""
    company.faults.add("status", vendor="aha", method="PUT", status=403)

    ended = call(run, "aha.update_user_details", ann.email, "--input", "first_name=B", "--json")

    report = told(ended)
    assert (ended.code, report["state"]) == (3, "failed")
    assert report["counts"]["operations"]["refused"] == 1
    assert "needs an account administrator of Aha!" in report["issues"][0]["reason"]


def test_what_nobody_knows_ends_with_4(run: Any, company: Sandbox, ann: SaaSUser):
    """M-26: a worker carries it on."""
    company.faults.add("status", vendor="aha", method="PUT", status=500)

    ended = call(run, "aha.update_user_details", ann.email, "--input", "first_name=B", "--json")

    report = told(ended)
    assert (ended.code, report["counts"]["waiting"]) == (4, 1)
    assert report["counts"]["operations"]["unknown"] == 1


def test_over_the_limit_nothing_is_sent_and_it_ends_with_4(
    run: Any, company: Sandbox, ann: SaaSUser
):
    """M-15: a call by command is a selection by hand."""
    ann.application.removals_percent = ann.application.removals_count = 0
    ann.application.save()

    ended = call(run, "aha.deactivate_user", ann.email, "--json")

    report = told(ended)
    assert (ended.code, report["state"]) == (4, "held")
    assert "more than the limit of 0" in report["held"]["why"]
    assert [one.op for one in company.ledger] == []
    assert Operation.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["aha.deactivate_usr", "ann"], 'Did you mean "aha.deactivate_user"?'),
        (["aha.get_user_details", "nobody@example.com"], 'no record "nobody@example.com"'),
        (["aha.user_role", "KEY", "--input", "first_name"], "write --input NAME=VALUE"),
        (["aha.user_role", "KEY", "--input", "colour=red"], 'has no input "colour"'),
        (["aha.update_user_details", "KEY"], "nothing would change"),
        (["aha.update_user_details", "KEY", "--input", "enabled=maybe"], "neither true nor false"),
        (["betterworks.list_departments", "KEY"], "are not for Betterworks"),
        (["aha.user_role", "KEY", "--as", "nobody"], 'no active user "nobody"'),
    ],
)
def test_wrong_usage_ends_with_2_and_sends_nothing(
    run: Any, company: Sandbox, ann: SaaSUser, arguments: list[str], message: str
):
    preset, record, *more = arguments

    ended = call(run, preset, ann.email if record == "KEY" else record, *more)

    assert ended.code == 2
    assert message in ended.err
    assert [one for one in company.log if one.method != "GET"] == []


def test_unknown_credentials_are_told_with_the_near_ones(run: Any, company: Sandbox):
    ended = run(
        "call_preset", "aha.user_role", "--credentials", "Aha productoin", "--record", "ann"
    )

    assert (ended.code, 'Did you mean "Aha production"?' in ended.err) == (2, True)


def test_a_user_needs_the_permission(
    run: Any, company: Sandbox, ann: SaaSUser, hr_viewer: User, it_admin: User
):
    """M-36."""
    refused = call(run, "aha.get_user_details", ann.email, "--as", hr_viewer.username)
    allowed = call(run, "aha.get_user_details", ann.email, "--as", it_admin.username)

    assert (refused.code, allowed.code) == (2, 0)
    assert "may not do this" in refused.err


def test_a_person_without_the_id_is_told_what_fills_it(run: Any, company: Sandbox, ann: SaaSUser):
    """AH-39."""
    assert ann.person is not None
    Person.objects.filter(pk=ann.person.pk).update(custom={})

    ended = call(run, "aha.get_user_details", ann.person.email)

    assert ended.code == 2
    assert "Run Aha! User Load with Id mapped" in ended.err


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A terminal in the place of standard input, on which a line is typed beforehand."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda line: (os.write(ours, f"{line}\n".encode()), None)[1]
    os.close(ours)


def test_at_a_terminal_what_takes_access_away_is_sent_only_when_the_record_is_typed(
    run: Any, company: Sandbox, ann: SaaSUser, typing: Callable[[str], None]
):
    """GT-29."""
    typing("yes")
    refused = call(run, "aha.deactivate_user", ann.email)
    sent_before = [seen.method for seen in company.log if seen.method == "PUT"]
    typing(ann.email)
    done = call(run, "aha.deactivate_user", ann.email, "--json")

    assert (refused.code, sent_before) == (2, [])
    assert "Nothing was sent" in refused.err
    assert f'Type "{ann.email}" to send it' in done.err
    assert (done.code, told(done)["state"]) == (0, "done")


def test_what_takes_nothing_away_asks_nothing_at_a_terminal(
    run: Any, ann: SaaSUser, typing: Callable[[str], None]
):
    typing("")

    ended = call(run, "aha.get_user_details", ann.email)

    assert (ended.code, "to send it" in ended.err) == (0, False)
