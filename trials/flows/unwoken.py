"""Runs of workflows whose wake-up calls are lost, or come three times (F-10, F-11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trials.flows.company import call_block

if TYPE_CHECKING:
    from integrations.sandbox.server import Sandbox
    from workflows.models import Workflow, WorkflowRun

STAYS = {"success": "end", "failure": "end"}


def make_creating(sandbox: Sandbox) -> Workflow:
    """A workflow that makes an account for a person, and notes it."""
    from tests.integrations.presets.desk import Desk
    from tests.workflows.makers import make_workflow

    note = {
        "key": "tell",
        "kind": "update",
        "settings": {"set": {"title": "Has an account"}},
        "exits": STAYS,
    }
    make = call_block("make", Desk(sandbox, "betterworks"), "create_user", "tell")
    return make_workflow([make, note])


class Flows:
    """So many runs of that workflow at a time, each for a new person."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self.number = number
        self._sandbox = sandbox
        self._workflow = make_creating(sandbox)

    def start(self) -> list[int]:
        """Queue them; their ids."""
        from tests.makers import make_person
        from workflows.starts import start_run

        ids = [make_person().pk for _one in range(self.number)]
        return [
            start_run(self._workflow, trigger="manual", started_by="trial", ids=[pk]).pk
            for pk in ids
        ]

    def have_ended(self, runs: Sequence[int]) -> bool:
        """Whether nothing of these runs is left to be done."""
        from workflows.models import WorkflowRun

        return not WorkflowRun.objects.filter(pk__in=runs, finished_at=None).exists()

    def judge(self, runs: Sequence[int]) -> list[str]:
        """What was lost or done twice."""
        from workflows.models import WorkflowRun

        made = Counter(one.key for one in self._sandbox.ledger if one.op == "user.create")
        rows = WorkflowRun.objects.filter(pk__in=runs).prefetch_related("items__way")
        return [text for run in rows for text in _wrong(run, made)]


def _wrong(run: WorkflowRun, made: Counter[str]) -> Iterator[str]:
    items = list(run.items.all())
    if run.state != "done" or len(items) != 1:
        yield f"run {run.pk}: {run.state}, {len(items)} items"
    for item in items:
        way = [one.block for one in item.way.all()]
        if way != ["make", "tell"]:
            yield f"run {run.pk}: went {way}"
        if made[item.label] != 1:
            yield f"run {run.pk}: {made[item.label]} accounts of {item.label}"
