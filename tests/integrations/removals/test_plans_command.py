"""`plans` lists, shows and decides; its exit code tells what became of it (M-14, M-17, C-26)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from integrations.models import PlannedChange, SyncRun
from tests.integrations.commands.conftest import run
from tests.integrations.sync.worlds import World, emails, run_sync, sync
from tests.makers import make_integration, make_run

from .holding import Holding, email

__all__ = ["run"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def holding(world: World) -> Holding:
    return Holding(world)


def test_a_sync_says_what_is_held_and_the_next_command(run: Any, holding: Holding) -> None:
    """interface.md: exit 4, `held` with why, plan and removals."""
    ended = run("sync", "Employees")
    as_json = run("sync", "Employees", "--json")
    told = orjson.loads(as_json.out)["runs"][0]

    newest = SyncRun.objects.latest("pk")
    assert (ended.code, as_json.code) == (4, 4)
    assert "4 removals are held. 4 removals of people are more than the limit of 3" in ended.err
    assert f"plans show {newest.pk - 1}" in ended.err
    assert told["state"] == "held"
    assert told["held"] == {"why": newest.held_because, "plan": newest.pk, "removals": 4}


def test_list_and_show_tell_the_ids_to_decide_with(run: Any, holding: Holding) -> None:
    """C-26."""
    listed = run("plans")
    shown = run("plans", "show", str(holding.run.pk))
    told = orjson.loads(run("plans", "show", str(holding.run.pk), "--json").out)["runs"][0]

    assert (listed.code, shown.code) == (0, 0)
    assert f"{holding.run.pk}  Employees: 4 removals held" in listed.out
    assert str(holding.row("Ann").pk) in shown.out
    assert "status: active -> deactivated" in shown.out
    assert told["held"]["removals"] == 4
    assert [row["key"] for row in told["plan"]][:2] == [email("Ann"), email("Bob")]


def test_approving_applies_all_rows_here_and_now(run: Any, holding: Holding) -> None:
    """M-14: the exit code tells that they were applied."""
    ended = run("plans", "approve", str(holding.run.pk), "--json")
    told = orjson.loads(ended.out)
    after = run("plans", "list", "--json")

    assert ended.code == 0, ended.err
    assert set(holding.states().values()) == {"applied"}
    assert holding.row("Ann").decided_by == "command line"
    assert (told["decided"], told["refused"], told["still_held"]) == (4, [], [])
    assert told["runs"][0]["kind"] == "removals"
    assert orjson.loads(after.out) == {"plans": []}


def test_only_the_named_rows_are_approved(run: Any, holding: Holding, it_admin: User) -> None:
    """M-14, M-17."""
    row = str(holding.row("Bob").pk)

    ended = run("plans", "approve", str(holding.run.pk), "--row", row, "--as", "it-admin")

    assert ended.code == 0, ended.err
    assert emails(status="deactivated") == [email("Bob")]
    assert holding.row("Bob").decided_by == "it-admin"
    assert holding.row("Ann").state == "held"


def test_a_shell_is_its_own_second_person(
    run: Any, holding: Holding, it_admin: User, settings: Settings
) -> None:
    """M-17: it could name anybody."""
    settings.SECOND_PERSON = True

    ended = run("plans", "approve", str(holding.run.pk), "--as", "it-admin")

    assert ended.code == 0, ended.err
    assert set(holding.states().values()) == {"applied"}


def test_what_cannot_be_proven_stays_held_and_ends_with_4(run: Any, holding: Holding) -> None:
    """M-11, M-14: who is listed as active again is left, by name."""
    holding.world.bamboohr.fault("status", status=503, path="employees")

    ended = run("plans", "approve", str(holding.run.pk))

    assert ended.code == 4, (ended.out, ended.err)
    assert set(holding.states().values()) == {"held"}
    assert f"Still held: {email('Ann')}" in ended.err


def test_rejecting_keeps_them_and_a_later_sync_is_done(run: Any, holding: Holding) -> None:
    """M-14."""
    ended = run("plans", "reject", str(holding.run.pk))
    again = run_sync(holding.integration)

    assert ended.code == 0
    assert set(holding.states().values()) == {"rejected"}
    assert again.state == "done"


def test_approving_a_preview_runs_the_integration(run: Any, world: World) -> None:
    """C-26: the plan is computed anew."""
    world.employ("Ann")
    integration = world.integration("bamboohr", name="Employees")
    preview = run_sync(integration, kind="preview")
    listed = run("plans", "list")
    world.employ("Bob")

    ended = run("plans", "approve", str(preview.pk))
    again = run("plans", "approve", str(preview.pk))

    assert f"{preview.pk}  Employees: 1 rows previewed" in listed.out
    assert ended.code == 0, ended.err
    assert "computed anew" in ended.err
    assert len(emails(status="active")) == 2
    assert again.code == 2
    assert "Preview again" in again.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show"], "Name the plan"),
        (["show", "999999"], "There is no run 999999."),
        (["approve", "{done}"], "holds no removals"),
        (["approve", "{held}", "--row", "7"], "holds no row 7"),
        (["reject", "{preview}"], "is a preview"),
        (["approve", "{held}", "--as", "auditor"], "approve_plannedchange is missing"),
        (["list", "--as", "hr-viewer"], "view_plannedchange is missing"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    run: Any, auditor: User, hr_viewer: User, arguments: list[str], sentence: str
) -> None:
    """interface.md: 2."""
    integration = make_integration(state="active")
    runs = {
        "done": make_run(integration).pk,
        "preview": make_run(integration, kind="preview").pk,
        "held": make_run(integration, state="held").pk,
    }
    PlannedChange.objects.create(
        run_id=runs["held"], object="person", action="deactivate", state="held", key="x"
    )

    ended = run("plans", *(word.format(**runs) for word in arguments))

    assert ended.code == 2
    assert sentence in ended.err
    assert PlannedChange.objects.get().state == "held"


def test_a_sync_whose_removals_stay_within_the_limit_holds_nothing(run: Any, world: World) -> None:
    """interface.md: `held` is null."""
    world.employ("Ann")
    sync(world.integration("bamboohr", name="Employees"))

    told = orjson.loads(run("sync", "Employees", "--json").out)["runs"][0]

    assert told["held"] is None
