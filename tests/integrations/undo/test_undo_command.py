"""`manage.py undo`: the plan, the undo, its exit codes and JSON."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from integrations.models import SyncRun
from tests.integrations.commands.conftest import run
from tests.makers import make_change, make_integration, make_person, make_run

__all__ = ["run"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def synced() -> SyncRun:
    """A run that made one person a chief."""
    ann = make_person(title="Chief", email="ann@acme.example")
    done = make_run(make_integration(state="active"))
    make_change(
        done, target_id=ann.pk, key=ann.email, link_id=1, changes={"title": ["Clerk", "Chief"]}
    )
    return done


def add_a_row_that_moved(done: SyncRun) -> None:
    """Somebody else whom the run made a chief holds another title now."""
    bob = make_person(title="Typed", email="bob@acme.example")
    make_change(
        done, target_id=bob.pk, key=bob.email, link_id=1, changes={"title": ["Clerk", "Chief"]}
    )


def test_the_plan_is_printed_and_nothing_is_changed(run: Any, synced: SyncRun) -> None:
    ended = run("undo", str(synced.pk), "--plan")

    assert ended.code == 0
    assert "update" in ended.out
    assert "title: Chief -> Clerk" in ended.out
    assert "would write 0 of these again" in ended.out
    assert not SyncRun.objects.filter(kind="undo").exists()


def test_the_plan_as_json_has_the_shape_of_a_run(run: Any, synced: SyncRun) -> None:
    """interface.md: runs with counts, issues, held and plan."""
    add_a_row_that_moved(synced)

    ended = run("undo", str(synced.pk), "--plan", "--json")

    (told,) = json.loads(ended.out)["runs"]
    assert ended.code == 1
    assert (told["kind"], told["undoes"], told["held"]) == ("undo", synced.pk, None)
    assert told["plan"] == [
        {
            "action": "update",
            "object": "person",
            "key": "ann@acme.example",
            "reason": "",
            "changes": {"title": ["Chief", "Clerk"]},
            "state": "planned",
        }
    ]
    assert [issue["key"] for issue in told["issues"]] == ["bob@acme.example"]
    assert told["counts"]["people"]["updated"] == 1


def test_undoing_ends_with_0_and_with_1_when_something_was_left(run: Any, synced: SyncRun) -> None:
    add_a_row_that_moved(synced)

    ended = run("undo", str(synced.pk), "--json")

    (told,) = json.loads(ended.out)["runs"]
    undone = SyncRun.objects.get(kind="undo")
    assert ended.code == 1
    assert (told["id"], told["kind"], told["undoes"]) == (undone.pk, "undo", synced.pk)
    assert told["state"] == "partial"
    assert undone.started_by == "command line"


def test_undoing_as_a_user_names_them_and_asks_for_the_permission(
    run: Any, synced: SyncRun, it_admin: User, auditor: User
) -> None:
    refused = run("undo", str(synced.pk), "--as", auditor.username)
    ended = run("undo", str(synced.pk), "--as", it_admin.username)

    assert refused.code == 2
    assert "integrations.undo_syncrun" in refused.err
    assert ended.code == 0
    assert SyncRun.objects.get(kind="undo").started_by == it_admin.username
    assert "1 updated" in ended.out


def test_an_undo_whose_process_died_is_taken_up_by_the_same_command(
    run: Any, synced: SyncRun
) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    lost = make_run(
        synced.integration,  # type: ignore[arg-type]
        kind="undo",
        undoes=synced,
        state="running",
        attempts=1,
        heartbeat_at=long_ago,
        started_at=long_ago,
        counts={},
    )

    ended = run("undo", str(synced.pk))

    lost.refresh_from_db()
    assert (ended.code, lost.state) == (0, "done")
    assert SyncRun.objects.filter(kind="undo").count() == 1


def test_what_cannot_be_undone_ends_with_2_and_the_reason(run: Any, synced: SyncRun) -> None:
    assert run("undo", "999999").code == 2
    run("undo", str(synced.pk))

    again = run("undo", str(synced.pk))
    planned = run("undo", str(synced.pk), "--plan")

    assert (again.code, planned.code) == (2, 2)
    assert "undone already" in again.err


def test_a_run_that_is_under_way_ends_with_4(run: Any, synced: SyncRun) -> None:
    make_run(synced.integration, state="running")  # type: ignore[arg-type]

    ended = run("undo", str(synced.pk))

    assert ended.code == 4
    assert "already running" in ended.err
