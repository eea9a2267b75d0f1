"""Operations in words: how one stands, its times, what a person's word about it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Case, IntegerField, QuerySet, Value, When

from integrations.models import Operation
from integrations.operations.resolve import RESOLVE
from integrations.operations.send import LOOK_AFTER
from integrations.operations.unsent import TAKEN_BACK
from integrations.registry import vendors
from integrations.show import moment
from people.masking import mask

State = Operation.State
_CALL = "integrations.call_preset"
_LONGEST_SHOWN = 20_000


@dataclass(frozen=True)
class Saying:
    """Something that a person may say about an operation, and what follows from it."""

    key: str
    title: str
    button: str
    meaning: str
    states: tuple[State, ...]
    permissions: tuple[str, ...] = (RESOLVE,)


SAYINGS = {
    one.key: one
    for one in (
        Saying(
            "done",
            "Settle as done",
            "Yes, it went through",
            "You have looked at the vendor and what the call was to bring about is there. Nothing "
            "is sent. Whatever waits for this call goes on as after a success.",
            (State.UNKNOWN, State.ASKS),
        ),
        Saying(
            "not_done",
            "Settle as not done",
            "No, it did not go through",
            "You have looked at the vendor and it is not there. Nothing is sent. The call counts "
            "as refused, and another call for the same may be sent again.",
            (State.UNKNOWN, State.ASKS),
        ),
        Saying(
            "again",
            "Try again",
            "Send it once more",
            "The same request is sent once more, as a new operation. If the first one went through "
            "after all, the vendor may do it twice: a second account, a second invitation. Look at "
            "the vendor first.",
            (State.UNKNOWN, State.ASKS, State.REFUSED),
            (RESOLVE, _CALL),
        ),
    )
}


def offered(row: Operation, user: User | AnonymousUser) -> list[Saying]:
    """What this user may say about the operation as it is now."""
    return [
        one
        for one in SAYINGS.values()
        if row.state in one.states
        and row.code != TAKEN_BACK
        and all(map(user.has_perm, one.permissions))
    ]


def standing(row: Operation) -> str:
    """What it waits for, or how it ended, in a sentence or two. No query."""
    if row.state == State.PLANNED and row.waits_for_id:
        return f"Waits for operation {row.waits_for_id}, which has to end first."
    if row.state == State.PLANNED:
        soon = f"Is sent {_when(row.due_at)}." if row.due_at else "Is sent by a worker."
        return f"{soon} {row.note}".strip()
    if row.state == State.SENDING:
        return "A worker is sending it now."
    if row.state == State.UNKNOWN:
        return f"Is looked into {_when(row.due_at)}. {row.note}".strip()
    return row.note or row.get_state_display()


def more_than_state(row: Operation) -> str:
    """The same, where it says more than the badge of its state; else nothing."""
    told = standing(row)
    return "" if told == row.get_state_display() else told


def _when(due: datetime | None) -> str:
    return f"not before {moment(due)}" if due else "by a worker"


def times(row: Operation) -> list[tuple[str, str]]:
    """What happened when: (what, moment), in order."""
    return list(_times(row))


def _times(row: Operation) -> Iterator[tuple[str, str]]:
    yield f"Asked for by {row.started_by}", moment(row.created_at)
    if row.first_sent_at:
        yield "Sent", moment(row.first_sent_at)
    if row.tries > 1:
        yield f"Sent the last time; {row.tries} times in all", moment(row.sent_at)
    if row.looks:
        many = f"Looked up {row.looks} of {len(LOOK_AFTER)} times since it became unknown"
        yield many, moment(row.heartbeat_at)
    if row.state in Operation.ACTIVE_STATES and row.due_at:
        yield "Next step", moment(row.due_at)
    if row.resolved_by_id:
        yield f"Settled by {row.resolved_by}", moment(row.finished_at)
    elif row.finished_at:
        yield row.get_state_display(), moment(row.finished_at)


def vendor_label(row: Operation) -> str:
    """What the vendor calls itself."""
    vendor = vendors().get(row.vendor)
    return vendor.label if vendor else row.vendor


def request_ids(row: Operation) -> list[str]:
    """How the vendor's support finds our tries in its log, where it takes such names; no query."""
    vendor = vendors().get(row.vendor)
    if vendor is None or not vendor.manifest.request_id_header:
        return []
    return [row.request_id(number) for number in range(1, row.tries + 1)]


def shown_payload(row: Operation) -> list[tuple[str, str]]:
    """What was sent and what came back, masked and trimmed, for those who may see it."""
    request = {name: part for name, part in row.request.items() if name != "needed" and part}
    query = ""
    body = request.get("body")
    if isinstance(body, dict) and body.keys() == {"query", "variables"}:
        query = body["query"]  # one with line breaks, which JSON would hide
        request["body"] = {"variables": body["variables"]}
    parts = [
        ("Request", request),
        ("Query", query),
        ("Answer", row.answer),
        ("Values taken from it", row.values),
    ]
    return [(title, _pretty(part)) for title, part in parts if part not in (None, {}, [], "")]


def _pretty(part: Any) -> str:
    is_text = isinstance(part, str)
    text = mask(part if is_text else json.dumps(part, indent=2, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}\n…"


def listed() -> QuerySet[Operation]:
    """What asks, then what is unknown, then the newest; for lists. Annotates `rank`."""
    first = (State.ASKS, State.UNKNOWN)
    rank = Case(
        *(When(state=state, then=Value(at)) for at, state in enumerate(first)),
        default=Value(len(first)),
        output_field=IntegerField(),
    )
    return Operation.objects.annotate(rank=rank).order_by("rank", "-id")


def as_json(row: Operation, *, whole: bool = False) -> dict[str, Any]:
    """An operation as commands print it; with `whole`, what was sent and answered too, masked."""
    told: dict[str, Any] = {
        "id": row.pk,
        "state": row.state,
        "preset": row.preset,
        "record": row.record,
        "credentials": row.credentials_name,
        "tenant": row.tenant,
        "key": row.key,
        "started_by": row.started_by,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
        "finished_at": row.finished_at,
        "due_at": row.due_at,
        "tries": row.tries,
        "looks": row.looks,
        "waits_for": row.waits_for_id,
        "status": row.status,
        "code": row.code,
        "note": row.note,
        "resolved_by": str(row.resolved_by) if row.resolved_by else None,
    }
    if whole:
        request = {name: part for name, part in row.request.items() if name != "needed"}
        parts = {"request": request, "answer": row.answer, "values": row.values}
        told |= json.loads(mask(json.dumps(parts, default=str)))
    return told
