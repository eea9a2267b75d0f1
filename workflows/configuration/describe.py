"""Workflows as the configuration file writes them: what export prints, and what apply compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import F, Max, Q

from integrations.errors import ScheduleInvalid
from integrations.schedules import as_data, read_schedule
from workflows.definition import Definition
from workflows.models import Workflow, WorkflowVersion
from workflows.versions import read_definitions

State = Workflow.State
LIVE = (State.ACTIVE, State.PAUSED)


@dataclass(frozen=True)
class Described:
    """One workflow as it is, or as the file wants it."""

    object: str
    application: str
    description: str
    state: str
    definition: Definition

    def as_data(self, name: str) -> dict[str, Any]:
        """In the order of the file; what says nothing is left out."""
        data: dict[str, Any] = {"name": name, "object": self.object}
        if self.application:
            data["application"] = self.application
        if self.description:
            data["description"] = self.description
        return {**data, **self.definition.as_data(), "state": self.state}


@dataclass(frozen=True)
class Stored:
    """A workflow's row, with the version that stands for it in the file."""

    row: Workflow
    version: WorkflowVersion
    described: Described


def read_stored() -> Mapping[str, Stored]:
    """Every workflow by name. Four queries.

    What runs stands for an active or paused one, what was saved last for others: a file never
    activates what nobody has activated.
    """
    rows = {row.pk: row for row in Workflow.objects.select_related("application", "active_version")}
    newest = WorkflowVersion.objects.annotate(newest=Max("workflow__versions__number"))
    latest = {one.workflow_id: one for one in newest.filter(Q(number=F("newest")))}
    shown = {
        pk: row.active_version if row.state in LIVE and row.active_version else latest[pk]
        for pk, row in rows.items()
        if pk in latest
    }
    definitions = read_definitions(shown.values())
    return {
        rows[pk].name: Stored(rows[pk], version, _describe(rows[pk], definitions[version.pk]))
        for pk, version in shown.items()
    }


def _describe(row: Workflow, definition: Definition) -> Described:
    return Described(
        object=row.object,
        application=row.application.name if row.application is not None else "",
        description=row.description,
        state=row.state,
        definition=with_whole_schedule(definition),
    )


def with_whole_schedule(definition: Definition) -> Definition:
    """With the schedule's zone written out; one that cannot be read stays for Validate."""
    schedule = definition.begin.schedule
    if not schedule:
        return definition
    try:
        whole = as_data(read_schedule(dict(schedule)))
    except ScheduleInvalid:
        return definition
    return replace(definition, begin=replace(definition.begin, schedule=whole))
