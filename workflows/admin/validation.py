"""The page of Validate: every mistake with its place, and a link that leads there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from workflows.admin.pages import VIEW, WorkflowPage, block_url
from workflows.admin.sheet import bar_of
from workflows.definition import BEGIN, Definition
from workflows.editing import latest_version
from workflows.errors import Mistake
from workflows.models import Workflow
from workflows.validation import place_in_words, validate
from workflows.versions import read_definition

_BEGIN_FIELDS = {
    "actions": "id_actions_0",
    "schedule": "id_schedule-kind",
    "records": "id_records",
    "rules": "rules",
    "next": "id_next",
    "also": "id_also_0",
}


@dataclass(frozen=True)
class Told:
    """A mistake as the page shows it."""

    place: str
    message: str
    url: str
    position: int | None
    warning: bool


def told_of(row: Workflow, definition: Definition, mistakes: Sequence[Mistake]) -> list[Told]:
    """Mistakes first, then what is only to be known. No query."""
    told = [
        Told(
            place_in_words(definition, one),
            one.message,
            _url(row, definition, one),
            one.position,
            one.warning,
        )
        for one in mistakes
    ]
    return sorted(told, key=lambda one: one.warning)


def _url(row: Workflow, definition: Definition, one: Mistake) -> str:
    """Where it is mended: the field on the block's page, or on the workflow's own."""
    page = reverse("admin:workflows_workflow_change", args=(row.pk,))
    if not one.block or one.block == BEGIN:
        first = one.field.split(".")[0].split("[")[0]
        return f"{page}#{_BEGIN_FIELDS.get(first, 'begin' if one.block else 'blocks')}"
    if one.field.startswith("exits."):
        return f"{page}#id_exit__{one.block}__{one.field.removeprefix('exits.')}"
    if definition.find(one.block) is None:
        return f"{page}#blocks"
    if not one.field.startswith(("settings", "preset", "credentials", "name")):
        return f"{page}#block-{one.block}"
    return block_url(row, one.block)


class ValidationPages(WorkflowPage):
    """For the WorkflowAdmin."""

    def validate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Judge the version that is saved. About fifteen queries; nothing is written."""
        row = self.find_row(request, object_id, VIEW)
        version = latest_version(row)
        definition = read_definition(version)
        user: Any = request.user
        told = told_of(row, definition, validate(row, definition, user=user, kept=definition))
        context = {
            **self.page_context(request, row, f"Validate {row}"),
            **bar_of(request, row, version),
            "mistakes": [one for one in told if not one.warning],
            "warnings": [one for one in told if one.warning],
        }
        return TemplateResponse(request, "admin/workflows/workflow/validate.html", context)
