"""A workflow that pauses sends nothing more: what it had planned is asked for anew later."""

from __future__ import annotations

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
    at_work = Q(state=RunItem.State.WORKING) | Q(
        state=RunItem.State.WAITING, waits_for=RunItem.WaitsFor.OPERATION
    )
    items = RunItem.objects.filter(at_work, workflow=workflow).order_by("pk")
    keys = [operation_key(*one) for one in items.values_list("pk", "block", "retry")]
    return take_back(keys, note=_NOTE, now=now) if keys else 0


def is_active(workflow: Workflow) -> bool:
    """Whether it may send anything at this moment. One query."""
    return Workflow.objects.filter(pk=workflow.pk, state=Workflow.State.ACTIVE).exists()
