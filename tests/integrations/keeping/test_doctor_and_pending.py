"""What the two commands say about an installation, and how they end."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from integrations.approvals import queue_approved
from integrations.doctor import examine
from integrations.installation import find_pause, pause_installation
from integrations.models import (
    Credentials,
    Integration,
    Notification,
    PlannedChange,
    WorkingProcess,
)
from integrations.pending import find_pending
from integrations.presence import show_presence
from integrations.sync.lease import due_runs
from tests.makers import make_credentials, make_integration, make_run

pytestmark = pytest.mark.django_db


def states() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in examine(timezone.now()):
        found.setdefault(one.check, set()).add(one.state)
    return found


def sentences(check: str) -> str:
    return " ".join(one.sentence for one in examine(timezone.now()) if one.check == check)


def test_a_sound_installation_needs_nobody(capsys: Any) -> None:
    show_presence(WorkingProcess.Kind.TICK)
    WorkingProcess.objects.create(name="host:2", kind="worker", slots=8)
    make_credentials("Key", secret="secret-canary-0123456789")
    call_command("doctor")

    printed = capsys.readouterr().out
    assert "bad" not in printed
    assert "secret-canary" not in printed


def test_each_trouble_is_named_with_who_mends_it(capsys: Any) -> None:
    """Exit 1, and one object as JSON."""
    credentials = make_credentials("Old key")
    Credentials.objects.update(expires_on=timezone.localdate() - timedelta(days=1))
    integration = make_integration(credentials=credentials, state="active", tenant="mycompany")
    Integration.objects.update(error_since=timezone.now(), schedule={"every": "dy"})
    run = make_run(integration, state="held")
    PlannedChange.objects.create(
        run=run, object="person", action="deactivate", state="held", key="ann", external_id="1"
    )
    waiting = make_run(integration, state="queued")
    type(waiting).objects.filter(pk=waiting.pk).update(
        queued_at=timezone.now() - timedelta(hours=2)
    )
    Notification.objects.create(kind="held", episode="1", subject="x", body="x", state="unknown")
    pause_installation("restored from x.zip", by="admin", now=timezone.now())

    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json")
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert told["needs_person"] is True
    bad = {row["check"] for row in told["checks"] if row["state"] == "bad"}
    assert {"pause", "tick", "credentials", "integrations", "removals", "runs", "zones"} <= bad
    assert all("operator" in row["sentence"] or "IT admin" in row["sentence"]
               for row in told["checks"] if row["state"] == "bad")  # fmt: skip


def test_secrets_that_do_not_open_are_named() -> None:
    """S-03: no traceback, and no secret."""
    make_credentials("Key of Aha!")
    with override_settings(FERNET_KEYS=["another"]):
        assert states()["secrets"] == {"bad"}
        assert '"Key of Aha!"' in sentences("secrets")


def test_doctor_asks_a_fixed_number_of_queries(django_assert_max_num_queries: Any) -> None:
    integration = make_integration()
    for _ in range(20):
        make_run(integration)
    with django_assert_max_num_queries(45):
        examine(timezone.now())


def test_pending_says_what_waits_and_ends_with_4(capsys: Any) -> None:
    one = make_integration(name="One")
    two = make_integration(name="Two")
    three = make_integration(name="Three")
    make_run(one, state="queued")
    make_run(two, state="running")
    make_run(three, state="queued", due_at=timezone.now() + timedelta(hours=1))
    with pytest.raises(SystemExit) as ended:
        call_command("pending", "--json")

    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 4
    assert [told[key][0]["name"] for key in ("queued", "running", "parked")] == [
        "One", "Two", "Three",
    ]  # fmt: skip


def test_held_removals_alone_are_told_and_end_with_0(capsys: Any) -> None:
    run = make_run(make_integration(), state="held")
    PlannedChange.objects.create(
        run=run, object="person", action="deactivate", state="held", key="ann", external_id="1"
    )
    call_command("pending")

    assert "1 removals" in capsys.readouterr().out
    assert not find_pending(timezone.now()).is_under_way


def test_while_paused_only_previews_are_due() -> None:
    """F-43."""
    make_run(make_integration(name="One"), state="queued")
    preview = make_run(make_integration(name="Two"), state="queued", kind="preview")
    pause_installation("restored", by="admin", now=timezone.now())

    assert list(due_runs()) == [preview]


def test_what_is_approved_while_paused_is_not_queued_before_go() -> None:
    """F-43: it would stand in the way of previews."""
    integration = make_integration(state="active", tenant="a")
    pause_installation("restored", by="admin", now=timezone.now())

    assert queue_approved(integration, by="admin") is None


def test_resume_needs_a_user_who_may(it_admin: User, hr_viewer: User, capsys: Any) -> None:
    pause_installation("restored", by="admin", now=timezone.now())
    for wrong in ([], ["--as", hr_viewer.username]):
        with pytest.raises(CommandError):
            call_command("resume", *wrong)
    assert find_pause() is not None
    call_command("resume", "--as", it_admin.username)

    assert find_pause() is None
    assert connection.is_usable()
