"""The fields that blocks may write on the records of a workflow, when they run (M-24)."""

from __future__ import annotations

from people.models import CustomField
from people.queries import Target
from workflows.facts import writable_of
from workflows.models import Workflow


def writable_targets(workflow: Workflow) -> dict[str, Target]:
    """What this workflow may write now, by key. One query."""
    fields = CustomField.objects.filter(object=workflow.object)
    return writable_of(workflow.object, list(fields))
