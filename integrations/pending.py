"""What waits: queued, running, parked, held, and mails; counts and names, nothing is begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from integrations.installation import Pause, find_pause
from integrations.models import Notification, Operation, PlannedChange, SyncRun


@dataclass(frozen=True)
class WaitingRun:
    """A run that has not ended; `due_at` is set where the vendor asked for patience.

    Runs of other apps have ids of their own: `kind` tells them apart.
    """

    id: int
    name: str
    kind: str
    state: str
    due_at: datetime | None
    started_by: str


@dataclass(frozen=True)
class HeldRemovals:
    """Removals of one run, or records of another app's, that wait for a decision.

    `plan` is what `plans show` knows them by.
    """

    run: int
    name: str
    removals: int
    plan: str = ""


@dataclass(frozen=True)
class OtherWork:
    """What an app above has to do; `number` counts what is queued besides runs, such as events.

    What is `waiting` waits for a time or a person, so that nothing of it is under way.
    """

    queued: Sequence[WaitingRun] = ()
    running: Sequence[WaitingRun] = ()
    waiting: Sequence[WaitingRun] = ()
    held: Sequence[HeldRemovals] = ()
    number: int = 0


# The app above adds its own.
OTHERS: list[Callable[[datetime], OtherWork]] = []


@dataclass(frozen=True)
class Pending:
    """All of it; `mails` counts by state: queued (sending ones too) and unknown.

    `operations` are vendor calls that change something: waiting, sending, unknown and asks.
    """

    queued: Sequence[WaitingRun]
    running: Sequence[WaitingRun]
    parked: Sequence[WaitingRun]
    held: Sequence[HeldRemovals]
    mails: dict[str, int]
    operations: dict[str, int]
    paused: Pause | None
    waiting: Sequence[WaitingRun] = field(default_factory=list)
    events: int = 0

    @property
    def is_under_way(self) -> bool:
        """Whether something is queued, parked or running, or a mail or call is under way.

        What asks a person does not end by waiting.
        """
        calls = self.operations
        under_way = calls["waiting"] + calls["sending"] + calls["unknown"] + self.events
        return bool(self.queued or self.running or self.parked or self.mails["queued"] or under_way)


def find_pending(now: datetime) -> Pending:
    """Look at every table that holds work. Five queries, and those of the apps above."""
    runs = [
        WaitingRun(*row)
        for row in SyncRun.objects.filter(state__in=SyncRun.ACTIVE_STATES)
        .order_by("queued_at", "pk")
        .values_list("pk", "name", "kind", "state", "due_at", "started_by")
    ]
    parked = [run for run in runs if run.state == "queued" and run.due_at and run.due_at > now]
    others = [look(now) for look in OTHERS]
    queued = [run for run in runs if run.state == "queued" and run not in parked]
    running = [run for run in runs if run.state == "running"]
    return Pending(
        queued=queued + [run for other in others for run in other.queued],
        running=running + [run for other in others for run in other.running],
        parked=parked,
        held=_held() + [held for other in others for held in other.held],
        mails=_mails(),
        operations=_operations(),
        paused=find_pause(),
        waiting=[run for other in others for run in other.waiting],
        events=sum(other.number for other in others),
    )


def held_rows() -> QuerySet[PlannedChange]:
    """Removals that wait for a decision. They end by one, or when a later sync sees otherwise."""
    return PlannedChange.objects.filter(state=PlannedChange.State.HELD)


def _held() -> list[HeldRemovals]:
    counted = held_rows().order_by().values("run", "run__name").annotate(number=Count("pk"))
    rows = counted.order_by("run").values_list("run", "run__name", "number")
    return [HeldRemovals(run, name, number, str(run)) for run, name, number in rows]


def _mails() -> dict[str, int]:
    state = Notification.State
    return Notification.objects.aggregate(
        queued=Count("pk", filter=Q(state__in=[state.QUEUED, state.SENDING])),
        unknown=Count("pk", filter=Q(state=state.UNKNOWN)),
    )


def _operations() -> dict[str, int]:
    state = Operation.State
    named = {
        "waiting": state.PLANNED,
        "sending": state.SENDING,
        "unknown": state.UNKNOWN,
        "asks": state.ASKS,
    }
    counts = {name: Count("pk", filter=Q(state=one)) for name, one in named.items()}
    open_ones = Operation.objects.filter(state__in=named.values())
    return open_ones.aggregate(**counts)
