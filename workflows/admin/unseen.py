"""Blocks of a run whose notes may quote what is hidden from the reader, in all of its versions."""

from __future__ import annotations

from django.http import HttpRequest

from integrations.admin.unseen import unseen_fields
from workflows.admin.shown import unseen_blocks
from workflows.models import WorkflowRun, WorkflowVersion
from workflows.versions import kept_definition


def unseen_in_run(request: HttpRequest, run: WorkflowRun) -> frozenset[str]:
    """Those of the version that it began with, and of newer ones with which records were retried.

    By their keys. No query for who sees all; one for the others.
    """
    if not any(unseen_fields(request).values()):
        return frozenset()
    versions = WorkflowVersion.objects.filter(
        workflow=run.workflow_id, pk__gte=run.version_id, activated_at__isnull=False
    )
    found = unseen_blocks(request, kept_definition(run.version_id, run.version.created_at))
    for pk, created_at in versions.values_list("pk", "created_at"):
        found |= unseen_blocks(request, kept_definition(pk, created_at))
    return found
