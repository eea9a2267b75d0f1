"""What the pages of workflows share: finding the row, who may, and sentences for refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from workflows.errors import WorkflowInvalid, WorkflowsError
from workflows.models import Workflow, WorkflowVersion

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

_MOST_TOLD = 20
ACTIVATE = "workflows.activate_workflow"
CHANGE = "workflows.change_workflow"
VIEW = "workflows.view_workflow"


class WorkflowPage(_Base):
    """For the pages of the WorkflowAdmin."""

    def find_row(self, request: HttpRequest, object_id: str, permission: str) -> Workflow:
        """The workflow, for who holds the permission and may see it at all. One query."""
        if not (request.user.has_perm(permission) and self.has_view_permission(request)):
            raise PermissionDenied
        row: Workflow | None = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def page_context(self, request: HttpRequest, row: Workflow, title: str) -> dict[str, Any]:
        """What every page of a workflow has."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.model._meta,
            "original": row,
        }


def by_button(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Do what a button asks for. Opened as a page, such as after signing in again, lead back."""

    @wraps(view)
    def asked(request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method == "POST":
            return view(request, object_id)
        messages.info(request, "Nothing was done yet. Press the button here once more.")
        return redirect("admin:workflows_workflow_change", unquote(object_id))

    return asked


def back_to(row: Workflow) -> HttpResponse:
    """Lead to the workflow's own page."""
    return redirect("admin:workflows_workflow_change", row.pk)


def tell(request: HttpRequest, problem: WorkflowsError, *, before: str = "") -> None:
    """Show why something was refused, a sentence per message."""
    said = (
        [one.message for one in problem.mistakes]
        if isinstance(problem, WorkflowInvalid)
        else [problem.message]
    )
    for sentence in said[:_MOST_TOLD]:
        messages.error(request, f"{before} {sentence}".strip())


def find_version(row: Workflow, number: str | None) -> WorkflowVersion | None:
    """The version with this number; None where there is none. One query."""
    if not number or not number.isascii() or not number.isdigit() or len(number) > len("999999"):
        return None
    found: WorkflowVersion | None = row.versions.filter(number=int(number)).first()
    return found


def block_url(row: Workflow, key: str) -> str:
    """The page of one block."""
    return f"{reverse('admin:workflows_workflow_changelist')}{row.pk}/blocks/{key}/"


def add_block_url(row: Workflow, kind: str) -> str:
    """The page on which a block of this kind is made."""
    return f"{reverse('admin:workflows_workflow_changelist')}{row.pk}/blocks/add/{kind}/"
