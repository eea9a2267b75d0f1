"""Which ends of runs put an integration into error state, and which are told by mail."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from integrations import services
from integrations.errors import is_connection_failure
from integrations.models import Installation, Integration, Notification, SyncRun
from integrations.notices import note_end, note_held
from tests.integrations.sync.worlds import World, run_sync
from tests.makers import make_change, make_integration, make_run


def ended(integration: Integration, state: str, code: str = "", **fields: Any) -> SyncRun:
    """A run that ended like this just now, noted."""
    run = make_run(
        integration, state=state, error_code=code, finished_at=timezone.now(),
        error_message="It says why." if code else "", **fields,
    )  # fmt: skip
    note_end(run.pk, now=timezone.now())
    return run


def told(kind: str = "") -> list[str]:
    """The subjects of the mails of this kind, oldest first."""
    rows = Notification.objects.filter(kind=kind) if kind else Notification.objects.all()
    return list(rows.order_by("pk").values_list("episode", flat=True))


@pytest.fixture
def integration(db: None) -> Integration:
    return make_integration(state="active", notify=["it@example.com"])


def test_the_third_failure_in_a_row_begins_the_error_state_and_is_told_once(
    integration: Integration,
) -> None:
    """M-32, F-21, BB-28."""
    runs = [ended(integration, "failed", "timeout") for _ in range(5)]

    integration.refresh_from_db()
    assert integration.failed_connections == 5
    assert integration.error_since is not None
    assert told() == [f"error_state:{integration.pk}:{runs[2].pk}"]
    mail = Notification.objects.get()
    assert mail.recipients == ["it@example.com"]
    assert "It says why." in mail.body
    assert "Who can mend it: Nobody at first" in mail.body
    assert f"/admin/integrations/syncrun/{runs[2].pk}/change/" in mail.body


@pytest.mark.parametrize("state", ["done", "partial", "held"])
def test_a_run_that_connected_ends_the_row(integration: Integration, state: str) -> None:
    """M-32, BB-29: issues of records are no failure of the connection."""
    for _ in range(3):
        ended(integration, "failed", "unauthorized")

    ended(integration, state)
    ended(integration, "failed", "unauthorized")

    integration.refresh_from_db()
    assert (integration.failed_connections, integration.error_since) == (1, None)
    assert len(told()) == 1


def test_a_failure_that_did_reach_the_vendor_ends_the_row_and_one_that_never_tried_does_not(
    integration: Integration,
) -> None:
    ended(integration, "failed", "timeout")
    ended(integration, "failed", "not_ready")
    integration.refresh_from_db()
    kept = integration.failed_connections

    ended(integration, "failed", "not_found")

    integration.refresh_from_db()
    assert (kept, integration.failed_connections) == (1, 0)


def test_other_failures_are_told_once_until_a_run_comes_to_its_end(
    integration: Integration,
) -> None:
    ended(integration, "failed", "not_found")
    ended(integration, "failed", "not_ready")
    good = ended(integration, "partial")
    ended(integration, "failed", "not_found")

    assert told("failed") == [f"failed:{integration.pk}:0", f"failed:{integration.pk}:{good.pk}"]


@pytest.mark.parametrize(
    "fields", [{"kind": "preview"}, {"kind": "undo"}, {"kind": "removals"}, {"person": "a@b.com"}]
)
def test_only_syncs_of_everybody_count(integration: Integration, fields: dict[str, Any]) -> None:
    ended(integration, "failed", "timeout")

    ended(integration, "failed", "timeout", **fields)
    ended(integration, "done", **fields)
    ended(integration, "failed", "not_found", **fields)

    integration.refresh_from_db()
    assert integration.failed_connections == 1
    assert told() == []


def test_a_run_that_is_noted_twice_by_two_ends_makes_no_second_mail(
    integration: Integration,
) -> None:
    run = ended(integration, "failed", "not_found")

    note_end(run.pk, now=timezone.now())

    assert len(told()) == 1


@pytest.mark.parametrize(
    ("code", "status", "counts"),
    [
        ("timeout", None, True),
        ("html", 200, True),
        ("own_code", 503, True),
        ("own_code", 401, True),
        ("rate_limited", 403, False),
        ("not_found", 404, False),
        ("not_ready", None, False),
        ("truncated", 200, False),
    ],
)
def test_what_counts_as_a_failed_connection(
    code: str,
    status: int | None,
    counts: bool,  # noqa: FBT001 - what is expected
) -> None:
    """M-32."""
    assert is_connection_failure(code, status) is counts


def test_three_real_runs_with_a_refused_key_then_a_mended_one(world: World) -> None:
    """M-32, F-21, over HTTP."""
    world.open_account("Ann")
    integration = world.integration("aha", notify=["it@example.com"])
    world.aha.fault("status", status=401)
    for _ in range(3):
        assert run_sync(integration).state == "failed"
    integration.refresh_from_db()
    since = integration.error_since

    world.aha.heal()
    run_sync(integration)

    integration.refresh_from_db()
    assert since is not None
    assert (integration.failed_connections, integration.error_since) == (0, None)
    assert len(told("error_state")) == 1
    assert "canary" not in Notification.objects.get().body


def test_launching_keeps_what_a_run_counted_during_the_test_call(integration: Integration) -> None:
    """M-32: the pages work on a row that they read before the vendor was asked."""
    paused = Integration.objects.get(pk=integration.pk)
    ended(integration, "failed", "timeout")

    services.launch(paused, by="admin", test=False)

    integration.refresh_from_db()
    assert integration.failed_connections == 1


def test_without_anybody_to_tell_the_mail_says_so(integration: Integration) -> None:
    """BB-31."""
    Integration.objects.update(notify=[])
    ended(integration, "failed", "not_found")

    assert Notification.objects.get().state == "nobody"


def test_the_installation_is_told_where_the_integration_names_nobody(
    integration: Integration,
) -> None:
    """BB-31. What is no address is left out."""
    Integration.objects.update(notify=["nobody\nBcc: x@example.com"])
    Installation.objects.update_or_create(pk=1, defaults={"notify": ["all@example.com"]})

    ended(integration, "failed", "not_found")

    assert Notification.objects.get().recipients == ["all@example.com"]


def test_held_removals_are_named_once_per_episode(integration: Integration) -> None:
    """M-15: by name, at most 50, with the limit and where to decide."""
    run = make_run(integration, state="held")
    rows = [
        make_change(run, action="deactivate", state="held", key=f"p{n}@example.com", reason="Gone")
        for n in range(52)
    ]

    note_held(run, rows, "52 removals are more than the limit of 5.")
    note_held(run, rows, "52 removals are more than the limit of 5.")
    later = make_run(integration, state="held")
    note_held(later, rows, "Still held.")

    mail = Notification.objects.get()
    assert "- p0@example.com (Person): Gone" in mail.body
    assert "p50@example.com" not in mail.body
    assert "and 2 more" in mail.body
    assert "52 removals are more than the limit of 5." in mail.body
    assert f"/admin/integrations/syncrun/{run.pk}/plan/?state=held" in mail.body
    assert mail.subject.startswith("[Rolecall] 52 removals")


def test_no_name_begins_a_line_or_a_header(integration: Integration) -> None:
    Integration.objects.update(name="Evil\r\nBcc: x@example.com")
    ended(integration, "failed", "not_found")

    mail = Notification.objects.get()
    assert "\n" not in mail.subject
    assert "\r" not in mail.body
