"""Leading a run to its end as tick, workers and people would; time is passed in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integrations.sandbox.ledger import Effect
    from workflows.models import WorkflowRun

_TURNS = 400
_PATIENCE = 60.0


def work(now: datetime) -> datetime:
    """What a tick and a worker do at this moment, until nothing is left; gives the moment after."""
    from integrations.operations.advance import moving_from
    from integrations.tick import make_due
    from integrations.worker import BREAKABLE

    clock = moving_from(now)
    make_due(now)
    while any(piece(clock()) for piece in BREAKABLE):
        pass
    return clock()


def free_all() -> None:
    """What silent processes held is free, as after their leases. None of ours may be alive."""
    from django.utils import timezone

    from integrations.models import Operation
    from integrations.operations.advance import note_lost_senders
    from workflows.engine.leases import free_lost_items
    from workflows.models import RunItem

    now = timezone.now()
    long_ago = now - timedelta(days=1)
    RunItem.objects.filter(state="working").update(leased_until=long_ago)
    Operation.objects.filter(state="sending").update(heartbeat_at=long_ago)
    free_lost_items(now)
    note_lost_senders(now)


def lead(
    run_id: int,
    *,
    asks: Counter[str] | None = None,
    effects: Sequence[Effect] | None = None,
    alone: bool = False,
    held: Callable[[int, datetime], bool] = lambda _run_id, _now: False,
) -> bool:
    """Work, say yes to approvals, and let time pass, until the run has ended; whether it has.

    With `effects` a person answers what is asked, by what the vendor's own ledger says. `alone`:
    whoever else holds something is dead, so that it is taken without waiting for leases. `held`
    decides on what a run holds, and says whether there was something.
    """
    from django.utils import timezone

    if alone:
        free_all()
    now = max([timezone.now(), *_moments_so_far(run_id)])
    until = time.monotonic() + _PATIENCE
    for _turn in range(_TURNS):
        now = work(now)
        if has_ended(run_id):
            return True
        if (
            _approve(run_id, now)
            or held(run_id, now)
            or (effects is not None and _answer(effects, now, asks))
        ):
            continue
        following = _next_moment(run_id)
        if following is not None and following > now:
            now = following
        elif time.monotonic() < until:
            time.sleep(0.1)  # a dead process may still hold a row for a moment
            if alone:
                free_all()
        else:
            return False
    return False


def _moments_so_far(run_id: int) -> list[datetime]:
    """The latest moment that the run knows of: time was passed to a dead process as well."""
    from workflows.models import BlockRun

    ways = BlockRun.objects.filter(item__run=run_id).order_by("-ended_at")
    return list(ways.values_list("ended_at", flat=True)[:1])


def has_ended(run_id: int) -> bool:
    """Whether nothing of the run is left to be done."""
    from workflows.models import WorkflowRun

    return WorkflowRun.objects.filter(pk=run_id, finished_at__isnull=False).exists()


def _approve(run_id: int, now: datetime) -> bool:
    from django.contrib.auth.models import User

    from workflows.approvals import decide
    from workflows.errors import CannotDecide
    from workflows.models import RunItem

    waiting = RunItem.objects.filter(run=run_id, state="waiting", waits_for="approval")
    ids = list(waiting.values_list("pk", flat=True))
    for pk in ids:
        with suppress(CannotDecide):
            decide(pk, user=User.objects.get(username="boss"), approve=True, now=now)
    return bool(ids)


def _answer(effects: Sequence[Effect], now: datetime, asks: Counter[str] | None) -> bool:
    """Settle what asks a person, as one does who looks at the vendor."""
    from integrations.models import Operation
    from integrations.operations.resolve import settle
    from workflows.models import RunItem

    open_ones = list(Operation.objects.filter(state="asks"))
    for row in open_ones:
        item = RunItem.objects.get(pk=int(row.key.split(":")[1]))
        done = bool(effects_of(effects, item.label, row.preset))
        settle(row.pk, done=done, by=None, now=now, name="trial")
        if asks is not None:
            asks[f"{row.preset}: {'was done' if done else 'was not'}"] += 1
    return bool(open_ones)


_OPS = {
    "betterworks.create_user": "user.create",
    "betterworks.create_department": "department.create",
    "goto.assign_license_to_user_by_email": "license.assign",
    "goto.resend_welcome_email": "mail.welcome",
}


def effects_of(effects: Sequence[Effect], email: str, preset: str) -> list[Effect]:
    """What the vendor did of this call for this record."""
    op = _OPS[preset]
    return [one for one in effects if one.op == op and one.key in {email, f"Room of {email}"}]


def _next_moment(run_id: int) -> datetime | None:
    """When something is due next: an item, or a call."""
    from integrations.models import Operation
    from workflows.models import RunItem

    items = RunItem.objects.filter(
        run=run_id, state__in=["ready", "waiting"], due_at__isnull=False
    ).exclude(waits_for="approval")
    calls = Operation.objects.filter(state__in=Operation.ACTIVE_STATES, due_at__isnull=False)
    moments = [
        *items.order_by("due_at").values_list("due_at", flat=True)[:1],
        *calls.order_by("due_at").values_list("due_at", flat=True)[:1],
    ]
    return min((one for one in moments if one is not None), default=None)


def start(name: str, ids: list[int]) -> WorkflowRun:
    """Queue a run of a workflow for these people."""
    from workflows.models import Workflow
    from workflows.starts import start_run

    workflow = Workflow.objects.get(name=name)
    return start_run(workflow, trigger="manual", started_by="trial", ids=ids)
