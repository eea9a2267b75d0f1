"""What workflows use of what is configured elsewhere, for pages on which it could be deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from django.db.models import Max, Q
from django.urls import reverse

from integrations.errors import UnknownPreset, UnknownVendor
from integrations.models import Credentials
from integrations.registry import get_preset
from integrations.uses import Use
from people.models import CustomField
from workflows.definition import BlockPart, Definition
from workflows.judging import fields_in
from workflows.models import Workflow, WorkflowVersion
from workflows.templates import fields_named
from workflows.versions import read_definitions

_BEGIN = "the rules of Begin"


def workflows_that_use(field: CustomField) -> list[str]:
    """Sentences such as `used by the workflow "Leavers" (block "Tell IT")`. Four queries.

    Looked at are the version that runs and the one that was saved last, of workflows that are not
    archived.
    """
    versions = list(_versions(field))
    definitions = read_definitions(versions)
    found: dict[str, dict[str, None]] = {}
    for version in versions:
        for place in _places(definitions[version.pk], field.key):
            found.setdefault(version.workflow.name, {})[place] = None
    return [
        f'used by the workflow "{name}" ({", ".join(places)})' for name, places in found.items()
    ]


def _versions(field: CustomField) -> Iterator[WorkflowVersion]:
    latest = (
        WorkflowVersion.objects.order_by()
        .values("workflow")
        .annotate(latest=Max("pk"))
        .values("latest")
    )
    looked_at = Q(pk__in=latest) | Q(pk__in=Workflow.objects.values("active_version"))
    versions = WorkflowVersion.objects.filter(looked_at).exclude(
        workflow__state=Workflow.State.ARCHIVED
    )
    if field.object == CustomField.Object.SAAS_USER:
        versions = versions.filter(workflow__object=Workflow.Object.SAAS_USER)
    yield from versions.select_related("workflow").order_by("workflow__name", "number")


def _places(definition: Definition, key: str) -> Iterator[str]:
    if key in fields_in(definition.begin.rules):
        yield _BEGIN
    for block in definition.blocks:
        if key in _names_of(block):
            yield f'block "{block.label}"'


def _names_of(block: BlockPart) -> set[str]:
    """The fields that a block reads or writes."""
    settings = block.settings
    names = set(fields_named(settings)) | set(fields_in(settings.get("rules") or {}))
    names |= set(_keys(settings.get("set")))
    names |= {str(settings.get("until_field") or "")}
    response = settings.get("response")
    for rows in response.values() if isinstance(response, Mapping) else ():
        names |= {str(row.get("to")) for row in rows or () if isinstance(row, Mapping)}
    if block.preset:
        with suppress(UnknownPreset, UnknownVendor):
            names |= get_preset(block.preset)[1].named
    return names


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from map(str, value)


def uses_of_credentials(credentials: Credentials) -> list[Use]:
    """The workflows whose running or last saved version names the credentials. One query."""
    rows = Workflow.objects.filter(versions__blocks__credentials=credentials)
    return [
        Use(f"Workflow: {row.name}", reverse("admin:workflows_workflow_change", args=(row.pk,)))
        for row in rows.exclude(state=Workflow.State.ARCHIVED).distinct().order_by("name")
    ]
