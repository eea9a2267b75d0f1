"""What workflows have to do, as the tick, `pending`, `doctor` and `plans` ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Min, Q, QuerySet

from integrations.approvals import Decision
from integrations.doctor_host import BAD, OK, WARN, Rows
from integrations.models import Installation, Operation
from integrations.pending import HeldRemovals, OtherWork, WaitingRun
from integrations.plans import OtherPlans, Shown, WaitingPlan
from workflows.dispatch import events_to_dispatch, runs_to_dispatch
from workflows.engine.claims import ready_items
from workflows.held import approve, held_items, held_rows, reject
from workflows.here import go_on_here
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun
from workflows.reports import LETTER, run_as_json
from workflows.starts import queued_runs

_PAUSED_BY_HAND = " paused it."
_GROUPED = (
    "run",
    "run__name",
    "run__started_by",
    "state",
    "waits_for",
    "code",
    "workflow__state",
    "version__local",
)
_MOST = 100  # of pieces that are counted: more than any worker has places
_STUCK_AFTER = timedelta(hours=1)
_BUSY = (RunItem.State.READY, RunItem.State.WORKING)
_CHUNK = 5_000
Found = tuple[int, datetime | None]


# The tick --------------------------------------------------------------------------------------


def waiting_dispatches(_now: datetime) -> Found:
    """How many batches of events wait to be looked at, and since when. Three queries at most."""
    if Installation.objects.filter(pk=1, paused_at__isnull=False).exists():
        return 0, None
    moments = list(runs_to_dispatch().values_list("events_released_at", flat=True)[:_MOST])
    moments += list(events_to_dispatch().values_list("at", flat=True)[:1])
    return len(moments), min((one for one in moments if one is not None), default=None)


def waiting_starts(_now: datetime) -> Found:
    """How many runs wait for their records to be chosen, and since when. One query."""
    return _found(queued_runs().values_list("queued_at", flat=True)[:_MOST])


def waiting_items(now: datetime) -> Found:
    """How many records wait for their next step, and since when the first. One query."""
    items = ready_items(now).filter(version__local=False).order_by("due_at")
    return _found(items.values_list("due_at", flat=True)[:_MOST])


def _found(moments: Iterable[datetime | None]) -> Found:
    rows = list(moments)
    return len(rows), min((one for one in rows if one is not None), default=None)


def drop_old_answers(now: datetime) -> int:
    """Empty requests and answers that are kept too long; gives how many. Safe to stop anywhere.

    Of vendor calls only the answers: what was sent to change something is evidence (S-21). Three
    queries when there are none, and two for each 5,000.
    """
    days = Installation.objects.values_list("keep_answers_days", flat=True).first()
    before = now - timedelta(days=Installation().keep_answers_days if days is None else days)
    full = Q(request__isnull=False) | Q(answer__isnull=False)
    ways = BlockRun.objects.filter(full, ended_at__lt=before)
    calls = Operation.objects.filter(finished_at__lt=before, answer__isnull=False)
    return _empty(ways, "request", "answer") + _empty(calls, "answer")


def _empty(rows: QuerySet[Any], *columns: str) -> int:
    """Set columns of rows to NULL, some at a time; gives how many rows."""
    emptied = 0
    while ids := list(rows.values_list("pk", flat=True)[:_CHUNK]):
        emptied += rows.filter(pk__among=ids).update(**dict.fromkeys(columns))
    return emptied


# `pending` -------------------------------------------------------------------------------------


def find_work(_now: datetime) -> OtherWork:
    """What is queued, under way, waiting and held. Four queries.

    A run of which everything waits for a time or a person is not under way, nor is one whose
    workflow is paused or that only a command may carry on.
    """
    queued = [
        WaitingRun(pk, name, "workflow", "queued", None, by)
        for pk, name, by in WorkflowRun.objects.filter(state=WorkflowRun.State.QUEUED)
        .order_by("pk")
        .values_list("pk", "name", "started_by")
    ]
    busy, waiting, held = _open_runs()
    events = runs_to_dispatch().count() + events_to_dispatch().count()
    return OtherWork(
        queued=queued,
        running=[_waiting_run(row, "running") for row in busy.values()],
        waiting=[_waiting_run(row, "waiting") for pk, row in waiting.items() if pk not in busy],
        held=[_held(rows) for rows in held.values()],
        number=events,
    )


_Row = dict[str, Any]
_Runs = dict[int, _Row]


def _open_runs() -> tuple[_Runs, _Runs, dict[int, list[_Row]]]:
    """Runs with open items: those under way, those that wait, those that hold some. One query."""
    rows = (
        RunItem.objects.filter(state__in=RunItem.OPEN_STATES)
        .order_by()
        .values(*_GROUPED)
        .annotate(number=Count("pk"), due=Min("due_at"))
    )
    busy: _Runs = {}
    waiting: _Runs = {}
    held: dict[int, list[_Row]] = {}
    for row in sorted(rows, key=lambda one: one["run"]):
        if row["state"] == RunItem.State.HELD:
            held.setdefault(row["run"], []).append(row)
        elif _is_busy(row):
            busy.setdefault(row["run"], row)
        else:
            waiting.setdefault(row["run"], row)
    return busy, waiting, held


def _is_busy(row: _Row) -> bool:
    if row["workflow__state"] != Workflow.State.ACTIVE or row["version__local"]:
        return False
    if row["state"] in _BUSY or row["waits_for"] == RunItem.WaitsFor.OPERATION:
        return True
    # The vendor asked for patience.
    return row["waits_for"] == RunItem.WaitsFor.TIME and bool(row["code"])


def _waiting_run(row: _Row, state: str) -> WaitingRun:
    due = row["due"] if state == "waiting" else None
    return WaitingRun(row["run"], row["run__name"], "workflow", state, due, row["run__started_by"])


def _held(rows: Sequence[_Row]) -> HeldRemovals:
    run = rows[0]["run"]
    number = sum(row["number"] for row in rows)
    return HeldRemovals(run, rows[0]["run__name"], number, f"{LETTER}{run}")


# `doctor` --------------------------------------------------------------------------------------


def check_workflows(now: datetime) -> Rows:
    """Workflows that paused themselves, records that are held, and work that nobody does."""
    paused = Workflow.objects.filter(state=Workflow.State.PAUSED).order_by("name")
    well = True
    for name, because in paused.values_list("name", "paused_because"):
        well = False
        by_hand = because.endswith(_PAUSED_BY_HAND)
        yield (
            WARN if by_hand else BAD,
            f'The workflow "{name}" is paused. {because} An IT admin resumes it.',
        )
    held = held_rows().count()
    if held:
        well = False
        yield BAD, f"Workflows hold {held} records. An IT admin approves or rejects them (Runs)."
    stuck = _stuck(now)
    if stuck:
        well = False
        yield BAD, f"{stuck} have waited for over an hour. The operator looks at the workers."
    if well:
        yield OK, "No workflow is paused, and none holds anything."


def _stuck(now: datetime) -> str:
    before = now - _STUCK_AFTER
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    runs = queued_runs().filter(queued_at__lt=before).count()
    late = runs_to_dispatch().filter(~Exists(paused), events_released_at__lt=before).count()
    parts = [f"{runs} queued runs of workflows"] * bool(runs)
    parts += [f"the events of {late} syncs"] * bool(late)
    return " and ".join(parts)


# `plans` ---------------------------------------------------------------------------------------


def _waiting_plans() -> list[WaitingPlan]:
    """Runs that hold something, newest first. One query."""
    runs: QuerySet[Any] = WorkflowRun.objects.filter(items__state=RunItem.State.HELD)
    rows = runs.annotate(rows=Count("items")).order_by("-pk")
    return [
        WaitingPlan(
            f"{LETTER}{run.pk}", run.name, "workflow", run.queued_at, run.rows, run.held_because
        )
        for run in rows
    ]


def _plan_rows(number: int) -> list[dict[str, Any]] | None:
    """What a run holds, as rows of a plan; None where there is no such run. Two queries."""
    run = WorkflowRun.objects.select_related("workflow").filter(pk=number).first()
    if run is None:
        return None
    return [
        {
            "id": item.id,
            "hash": item.hash,
            "action": "start" if item.starts else "go on",
            "object": run.workflow.object,
            "key": item.label,
            "reason": item.why if item.starts else f"{item.block_label}: {item.why}",
            "changes": {},
            "state": "held",
            "decided_by": item.decided_by,
        }
        for item in held_items(run)
    ]


def _report(number: int) -> dict[str, Any]:
    return run_as_json(WorkflowRun.objects.select_related("version").get(pk=number))


def _approve(shown: Shown, by: str) -> Decision:
    return approve(shown, by=by, alone=True)


def _reject(shown: Shown, by: str) -> Decision:
    return reject(shown, by=by)


PLANS = OtherPlans(
    read="workflows.view_workflowrun",
    decide="workflows.decide_runitem",
    waiting=_waiting_plans,
    rows=_plan_rows,
    report=_report,
    approve=_approve,
    reject=_reject,
    go_on=go_on_here,
)
