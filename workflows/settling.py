"""Which events start nothing unless Begin names them, and why (M-19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.models import SyncRun
from people.models import Event

FIRST = "first"
CHANGED = "changed"
SETTLING = "settling"
# Sources whose events are named in `also` by the same word.
_NAMED_SOURCES = frozenset({"undo", "restore", "import"})
_APPLIED = (SyncRun.State.DONE, SyncRun.State.PARTIAL, SyncRun.State.HELD)
_NEW_OR_EDIT = (Event.Kind.NEW, Event.Kind.EDIT)


def judge_settling(run: SyncRun) -> str:
    """Whether a run settles its integration: `first`, `changed`, or empty. At most one query.

    `first` until one complete listing was applied, that run included; `changed` until the first
    complete run under another revision, that one included. Syncs of one person, approved removals
    and undo neither settle nor end it.
    """
    if run.kind != SyncRun.Kind.SYNC or run.person or run.integration_id is None:
        return ""
    earlier = SyncRun.objects.filter(
        integration=run.integration_id,
        kind=SyncRun.Kind.SYNC,
        person="",
        state__in=_APPLIED,
        listing__complete=True,
        pk__lt=run.pk,
    )
    revision = earlier.order_by("-pk").values_list("revision", flat=True).first()
    if revision is None:
        return FIRST
    return CHANGED if revision != run.revision else ""


def passed_over_because(event: Mapping[str, Any], settling: str) -> str:
    """The word of `also` that this event needs to start anything; empty where it needs none."""
    if event["source"] in _NAMED_SOURCES:
        return str(event["source"])
    if settling == FIRST or (settling == CHANGED and event["kind"] in _NEW_OR_EDIT):
        return SETTLING
    return ""
