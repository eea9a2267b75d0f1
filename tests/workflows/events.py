"""Events as syncs, people and commands write them, for the tests of what starts workflows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from integrations.models import Integration, SyncRun
from people.models import Event
from tests.makers import make_run

TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "{{ email }}", "message": "Done."},
    "exits": {"success": "end", "failure": "end"},
}


def make_event(record: Any, **fields: Any) -> Event:
    """Something that happened by hand to a person, or to a SaaS user; new unless said otherwise."""
    values: dict[str, Any] = {
        "object": "saas_user" if hasattr(record, "application_id") else "person",
        "object_id": record.pk,
        "kind": Event.Kind.NEW,
        "source": Event.Source.ADMIN,
        "actor": "somebody",
        "changes": {},
        **fields,
    }
    return Event.objects.create(**values)


def sync_with(
    integration: Integration, records: Sequence[Any], kind: str = "new", **fields: Any
) -> SyncRun:
    """A run that has come to its end and wrote an event of this kind about each record."""
    values: dict[str, Any] = {
        "revision": integration.revision,
        "events_released_at": timezone.now(),
        **fields,
    }
    event = values.pop("event", {})
    run = make_run(integration, **values)
    source = Event.Source.UNDO if run.kind == SyncRun.Kind.UNDO else Event.Source.SYNC
    for record in records:
        make_event(record, kind=kind, source=source, run_id=run.pk, **event)
    return run


def settled(integration: Integration) -> Integration:
    """With one complete listing that was applied and looked at long ago."""
    now = timezone.now()
    run = make_run(
        integration,
        revision=integration.revision,
        events_released_at=now,
        events_dispatched_at=now,
    )
    assert run.listing["complete"]
    return integration
