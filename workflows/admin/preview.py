"""The page of Preview: every request filled in for one record or for all, and nothing sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from workflows.admin.pages import CHANGE, WorkflowPage
from workflows.admin.sheet import bar_of
from workflows.admin.validation import told_of
from workflows.editing import latest_version
from workflows.errors import CannotStart, NotAllowed, WorkflowInvalid
from workflows.finding import find_record_ids
from workflows.preview import BlockPreview, RecordPreview, preview
from workflows.versions import read_definition

_PAGE = 20
_LONGEST_KEY = 320
_LAST_PAGE = 5_000


@dataclass(frozen=True)
class ShownBlock:
    """A block of the way, with its request as text."""

    one: BlockPreview
    request: str


@dataclass(frozen=True)
class ShownRecord:
    """A record with its way."""

    one: RecordPreview
    way: Sequence[ShownBlock]


class PreviewPages(WorkflowPage):
    """For the WorkflowAdmin."""

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Of the version that is saved; `?record=` is an e-mail or id, `?page=` counts from 1."""
        row = self.find_row(request, object_id, CHANGE)
        version = latest_version(row)
        definition = read_definition(version)
        record = request.GET.get("record", "").strip()[:_LONGEST_KEY]
        page = _page(request.GET.get("page", ""))
        context = {
            **self.page_context(request, row, f"Preview of {row}"),
            **bar_of(request, row, version),
            "record": record,
            "page": page,
            "rows": [],
        }
        user: Any = request.user
        try:
            found = preview(
                row,
                definition,
                find_record_ids(row, [record]) if record else None,
                now=timezone.now(),
                user=user,
                version=version,
                first=(page - 1) * _PAGE,
                most=_PAGE + 1,
            )
        except WorkflowInvalid as problem:
            context["mistakes"] = told_of(row, definition, problem.mistakes)
        except (NotAllowed, CannotStart) as problem:
            context["refused"] = problem.message
        else:
            context["rows"] = [_shown(one) for one in found[:_PAGE]]
            context["more"] = len(found) > _PAGE
        return TemplateResponse(request, "admin/workflows/workflow/preview.html", context)


def _shown(one: RecordPreview) -> ShownRecord:
    return ShownRecord(one, [ShownBlock(block, _request_text(block.request)) for block in one.way])


def _request_text(request: Any) -> str:
    """Method and address on a line of their own, the rest as JSON."""
    if not request:
        return ""
    if not isinstance(request, Mapping):
        return json.dumps(request, ensure_ascii=False, indent=2, default=str)
    first = " ".join(str(request[name]) for name in ("method", "url") if request.get(name))
    rest = {name: part for name, part in request.items() if name not in ("method", "url") and part}
    text = json.dumps(rest, ensure_ascii=False, indent=2, default=str) if rest else ""
    return "\n".join(part for part in (first, text) if part)


def _page(typed: str) -> int:
    is_number = typed.isascii() and typed.isdigit() and len(typed) <= len(str(_LAST_PAGE))
    return min(max(int(typed), 1), _LAST_PAGE) if is_number else 1
