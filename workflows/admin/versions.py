"""The versions of a workflow: which runs, which is saved, what differs, and an old one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from workflows.admin.pages import (
    CHANGE,
    VIEW,
    WorkflowPage,
    back_to,
    by_button,
    find_version,
    tell,
)
from workflows.admin.shown import read_number
from workflows.compare import Line, compare
from workflows.editing import copy_workflow, restore_version
from workflows.errors import WorkflowInvalid, WorkflowsError
from workflows.models import Workflow, WorkflowVersion
from workflows.versions import read_definition

_SHOWN = 100


@dataclass(frozen=True)
class Difference:
    """Two versions, and what the newer one has otherwise, by block."""

    old: WorkflowVersion
    new: WorkflowVersion
    groups: Sequence[tuple[str, Sequence[Line]]]


class VersionPages(WorkflowPage):
    """For the WorkflowAdmin."""

    def version_urls(self) -> list[URLPattern]:
        """Versions with their comparison; restoring and copying."""
        wrap = self.admin_site.admin_view
        views: dict[str, Any] = {
            "versions": self.versions_view,
            "restore": by_button(self.restore_view),
            "copy": self.copy_view,
        }
        return [
            path(f"<path:object_id>/{name}/", wrap(view), name=f"workflows_workflow_{name}")
            for name, view in views.items()
        ]

    def versions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The last hundred versions; two of them compared, as `?old=3&new=4` asks."""
        row = self.find_row(request, object_id, VIEW)
        versions = list(row.versions.order_by("-number")[:_SHOWN])
        context = {
            **self.page_context(request, row, f"Versions of {row}"),
            "versions": versions,
            "shown": _SHOWN,
            "difference": _difference(request, row, versions),
            "may_change": request.user.has_perm(CHANGE),
            "subtitle": None,
        }
        return TemplateResponse(request, "admin/workflows/workflow/versions.html", context)

    def restore_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Save an old definition as the latest version; what runs stays as it is."""
        row = self.find_row(request, object_id, CHANGE)
        version = find_version(row, request.POST.get("number"))
        if version is None:
            raise Http404
        user: Any = request.user
        try:
            made = restore_version(
                row,
                version,
                by=user,
                by_name=user.get_username(),
                base=read_number(request.POST.get("base")),
            )
        except WorkflowsError as problem:
            tell(request, problem, before="It was not restored.")
            return redirect("admin:workflows_workflow_versions", row.pk)
        self.log_change(request, row, f"Restored version {version.number}.")
        messages.success(
            request,
            f"Version {made.number} is saved; it is what version {version.number} was. Nothing "
            "else runs before somebody activates it.",
        )
        return back_to(row)

    def copy_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a draft with the blocks that are saved here, under another name."""
        row = self.find_row(request, object_id, "workflows.add_workflow")
        name, errors = f"Copy of {row}"[:150], []
        user: Any = request.user
        if request.method == "POST":
            name = request.POST.get("name", "")
            try:
                made = copy_workflow(row, name, by=user, by_name=user.get_username())
            except WorkflowInvalid as problem:
                errors = [one.message for one in problem.mistakes]
            else:
                self.log_addition(request, made, [{"added": {}}])
                messages.success(request, f'"{made}" is a draft now, with the blocks of "{row}".')
                return back_to(made)
        context = {
            **self.page_context(request, row, f"Copy {row}"),
            "name": name,
            "errors": errors,
        }
        return TemplateResponse(request, "admin/workflows/workflow/copy.html", context)


def _difference(
    request: HttpRequest, row: Workflow, versions: Sequence[WorkflowVersion]
) -> Difference | None:
    """What the query string asks for; without it, what is saved against what runs."""
    if not versions:
        return None
    old = find_version(row, request.GET.get("old")) or row.active_version
    new = find_version(row, request.GET.get("new")) or versions[0]
    if old is None or old.pk == new.pk:
        return None
    # By key: two blocks may have one name.
    groups: dict[str, list[Line]] = {}
    for line in compare(read_definition(old), read_definition(new)):
        groups.setdefault(line.key, []).append(line)
    return Difference(old, new, [(lines[0].block, lines) for lines in groups.values()])
