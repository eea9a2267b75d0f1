"""Who is paused or cancelled sends nothing more: what was planned is asked for anew later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q

from integrations.operations.unsent import take_back
from workflows.kinds import operation_key
from workflows.models import RunItem, Workflow

_NOTE = "It was not sent: the workflow was paused. When it goes on, it asks for the call anew."


def take_back_calls(workflow: Workflow, now: datetime) -> int:
    """Leave what its records have planned and nobody has sent unsent; gives how many calls.

    What may have been sent stays in the journal until its end is known. Up to four queries. Call it
    in the transaction that pauses.
    """
    # One that a worker gave back, or died of, is ready again, and its call is planned still.
    at_work = Q(state__in=[RunItem.State.READY, RunItem.State.WORKING]) | Q(
        state=RunItem.State.WAITING, waits_for=RunItem.WaitsFor.OPERATION
    )
    items = RunItem.objects.filter(at_work, workflow=workflow).order_by("pk")
    keys = [operation_key(*one) for one in items.values_list("pk", "block", "retry")]
    return take_back(keys, note=_NOTE, now=now) if keys else 0


def may_send(fences: Mapping[int, int]) -> set[int]:
    """The items, of these with their fences, whose calls may go out at this moment. One query.

    Their workflow is active, and they are in the hands of who took them: cancelling raises the
    fence.
    """
    rows = RunItem.objects.filter(pk__among=list(fences), workflow__state=Workflow.State.ACTIVE)
    return {pk for pk, fence in rows.values_list("pk", "fence") if fence == fences[pk]}
