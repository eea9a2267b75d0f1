"""Workflows that tests begin with, written as their rows; what is not given is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from django.db.models import Max
from django.utils import timezone

from people.models import Event
from saas.models import Application
from workflows.definition import Definition
from workflows.models import RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.versions import write_version

_number = count(1)


def make_workflow(
    blocks: Sequence[Mapping[str, Any]] = (),
    *,
    begin: Mapping[str, Any] | None = None,
    active: bool = True,
    application: Application | None = None,
    **fields: Any,
) -> Workflow:
    """An active workflow on people, or on the SaaS users of an application, with one version.

    `blocks` and `begin` are as in the configuration file.
    """
    workflow = Workflow.objects.create(
        name=fields.pop("name", f"Workflow {next(_number)}"),
        object=Workflow.Object.SAAS_USER if application else Workflow.Object.PERSON,
        application=application,
        **fields,
    )
    data = {"begin": {"actions": ["manual"], **(begin or {})}, "blocks": list(blocks)}
    version = write_version(workflow, Definition.from_data(data), by="test")
    return activate(workflow, version) if active else workflow


def activate(workflow: Workflow, version: WorkflowVersion) -> Workflow:
    """Put a version live without asking whether it is right."""
    now = timezone.now()
    version.activated_at = now
    version.save(update_fields=["activated_at"])
    workflow.active_version, workflow.state = version, Workflow.State.ACTIVE
    workflow.activated_at = workflow.schedule_since = now
    workflow.events_after = Event.objects.aggregate(last=Max("pk"))["last"] or 0
    workflow.save()
    return workflow


def make_run(workflow: Workflow, **fields: Any) -> WorkflowRun:
    """A run under way, by hand, with the active version."""
    values: dict[str, Any] = {
        "version": workflow.active_version,
        "name": workflow.name,
        "trigger": WorkflowRun.Trigger.MANUAL,
        "started_by": "test",
        "state": WorkflowRun.State.RUNNING,
        "started_at": timezone.now(),
        **fields,
    }
    return WorkflowRun.objects.create(workflow=workflow, **values)


def make_item(run: WorkflowRun, record: Any, **fields: Any) -> RunItem:
    """An item that is ready at the first block."""
    values: dict[str, Any] = {
        "block": Definition.from_data({"begin": run.version.begin}).first
        if run.version.begin.get("next")
        else getattr(run.version.blocks.order_by("position").first(), "key", "end"),
        "label": str(getattr(record, "email", "") or record),
        "due_at": timezone.now(),
        **fields,
    }
    return RunItem.objects.create(
        run=run, workflow=run.workflow, version=run.version, record_id=record.pk, **values
    )
