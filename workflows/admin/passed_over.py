"""Events that started nothing in a workflow, why, and starting chosen ones by name (M-19)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from integrations.admin.reauth import PasswordForm, is_confirmed, remember
from integrations.admin.unseen import unseen_fields
from integrations.errors import IntegrationsError
from workflows import passed_over
from workflows.admin.activation import is_destructive
from workflows.admin.pages import WorkflowPage
from workflows.admin.shown import RUN, VIEW_RUNS, read_ids, read_number
from workflows.admin.starting import must_type, why_not_yet
from workflows.errors import WorkflowsError
from workflows.judging import fields_in
from workflows.models import Workflow
from workflows.sight import plain
from workflows.versions import definition_of


class PassedOverPages(WorkflowPage):
    """For the WorkflowAdmin."""

    def passed_over_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.passed_over_view)
        name = "workflows_workflow_passed_over"
        return [path("<path:object_id>/passed-over/", view, name=name)]

    @method_decorator(sensitive_post_parameters("password"))
    def passed_over_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A page of them, newest first; POST starts what was ticked, or asks. Some ten queries."""
        row = self.find_row(request, object_id, VIEW_RUNS)
        may_run = request.user.has_perm(RUN)
        asked: dict[str, Any] = {}
        if request.method == "POST":
            if not may_run:
                raise PermissionDenied
            asked = _what_is_asked(request, row)
            if not asked:
                return _start(request, row)
        before = read_number(request.GET.get("before")) or None
        context = {
            **self.page_context(request, row, f"Events that did not start {row}"),
            "may_run": may_run and row.state == Workflow.State.ACTIVE,
            "is_first": before is None,
            "rows": [],
            "version": row.active_version,
            "ticked": (),
            "must_type": None,
            "tells_matching": not _rules_are_hidden(request, row),
            **asked,
        }
        try:
            found = passed_over.passed_over(row, before=before, number=passed_over.PAGE + 1)
        except IntegrationsError as problem:
            context["refused"] = problem.message
        else:
            context["rows"] = found[: passed_over.PAGE]
            more = len(found) > passed_over.PAGE
            context["next"] = found[passed_over.PAGE - 1].event_id if more else None
            context["total"] = passed_over.count_passed_over(row)
        return TemplateResponse(request, "admin/workflows/starting/passed_over.html", context)


def _rules_are_hidden(request: HttpRequest, row: Workflow) -> bool:
    """Whether the rules of Begin name a field that the reader may not see (M-36). One query."""
    if row.active_version is None:
        return False
    hidden = frozenset().union(*unseen_fields(request).values())
    named = fields_in(definition_of(row.active_version).begin.rules)
    return any(plain(name) in hidden for name in named)


def _what_is_asked(request: HttpRequest, row: Workflow) -> dict[str, Any]:
    """What the page still asks for, with the ticks kept; empty where all was given, or refused.

    The password is asked for here too: the way to another page would lose the ticks.
    """
    ids, version = read_ids(request.POST.getlist("event")), row.active_version
    if not ids or version is None or row.state != Workflow.State.ACTIVE:
        return {}
    definition = definition_of(version)
    form = None
    if is_destructive(definition) and not is_confirmed(request):
        form = PasswordForm(request.POST if "password" in request.POST else None, request=request)
        if form.is_valid():
            remember(request)
            form = None
    try:
        number = passed_over.count_starts(row, definition.begin, ids)
    except (WorkflowsError, IntegrationsError):
        return {}
    wanted = must_type(row, definition, number)
    errors = why_not_yet(request, version, wanted)
    if form is None and not errors:
        return {}
    return {
        "ticked": ids,
        "must_type": wanted,
        "typed": request.POST.get("typed", ""),
        "errors": errors,
        "password": form["password"] if form is not None else None,
    }


def _start(request: HttpRequest, row: Workflow) -> HttpResponse:
    user: Any = request.user
    here = redirect("admin:workflows_workflow_passed_over", row.pk)
    ids = read_ids(request.POST.getlist("event"))
    if not ids:
        messages.warning(request, "Nothing was selected: tick events, then press the button.")
        return here
    try:
        run = passed_over.start_from_events(row, ids, by=user.get_username())
    except (WorkflowsError, IntegrationsError) as problem:
        messages.error(request, problem.message)
        return here
    messages.success(request, f"{run} was started for {run.matched:,} of the {len(ids):,} events.")
    return redirect("admin:workflows_workflowrun_change", run.pk)
