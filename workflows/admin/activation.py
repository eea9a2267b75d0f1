"""Activating, pausing, resuming and archiving workflows, each by a page or a button."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from integrations.admin.reauth import ask_before, is_confirmed
from integrations.schedules import in_words
from integrations.slots import readable_schedule
from workflows import activating
from workflows.admin.pages import ACTIVATE, WorkflowPage, back_to, by_button, find_version, tell
from workflows.admin.preview import PreviewPages
from workflows.admin.sheet import bar_of
from workflows.admin.validation import ValidationPages, told_of
from workflows.definition import BeginPart, Definition
from workflows.editing import latest_version
from workflows.errors import WorkflowInvalid, WorkflowsError
from workflows.facts import read_facts
from workflows.kinds import find_kind
from workflows.models import Workflow, WorkflowVersion
from workflows.readiness import readiness
from workflows.validation import check, is_valid
from workflows.versions import read_definition

_LONGEST_NUMBER = 12


class ActivationPages(ValidationPages, PreviewPages, WorkflowPage):
    """For the WorkflowAdmin: whatever decides whether a workflow runs."""

    def activation_urls(self) -> list[URLPattern]:
        """Validate and Preview look; the others need another permission than editing (S-19)."""
        wrap = self.admin_site.admin_view
        views: dict[str, Any] = {
            "validate": self.validate_view,
            "preview": self.preview_view,
            "activate": self.activate_view,
            "pause": by_button(self.pause_view),
            "resume": by_button(self.resume_view),
            "archive": self.archive_view,
        }
        return [
            path(f"<path:object_id>/{name}/", wrap(view), name=f"workflows_workflow_{name}")
            for name, view in views.items()
        ]

    def activate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what it would do now; POST lets it run. `?version=` names another than the saved."""
        row = self.find_row(request, object_id, ACTIVATE)
        asked = request.POST.get("version") or request.GET.get("version")
        version = find_version(row, asked) if asked else latest_version(row)
        if version is None and request.method == "POST":
            messages.error(request, activating.SAVED_MEANWHILE)
            return back_to(row)
        if version is None:
            raise Http404
        definition = read_definition(version)
        destructive = is_destructive(definition)
        if request.method != "POST":
            return self._ask_activate(request, row, version, definition)
        if destructive and not is_confirmed(request):
            page = reverse("admin:workflows_workflow_activate", args=(row.pk,))
            return ask_before(request, f"{page}?version={version.number}")
        typed = request.POST.get("typed", "").strip()
        user: Any = request.user
        try:
            activating.activate(row, version, by=user.get_username(), typed=_number(typed))
        except WorkflowInvalid as problem:
            errors = [one.message for one in problem.mistakes]
            return self._ask_activate(request, row, version, definition, errors=errors)
        except WorkflowsError as problem:
            tell(request, problem, before="It was not activated.")
            return back_to(row)
        self.log_change(request, row, f"Activated version {version.number}.")
        messages.success(request, f'Version {version.number} of "{row}" runs from now on.')
        return back_to(row)

    def _ask_activate(
        self,
        request: HttpRequest,
        row: Workflow,
        version: WorkflowVersion,
        definition: Definition,
        *,
        errors: list[str] | None = None,
    ) -> HttpResponse:
        mistakes = check(definition, read_facts(row))
        told = told_of(row, definition, mistakes)
        context = {
            **self.page_context(request, row, f"Activate {row}"),
            **bar_of(request, row, version),
            "mistakes": [one for one in told if not one.warning],
            "warnings": [one for one in told if one.warning],
            "ready": readiness(row, definition, now=timezone.now()) if is_valid(mistakes) else None,
            "starts": starts_in_words(definition.begin),
            "destructive": is_destructive(definition),
            "typed": request.POST.get("typed", ""),
            "errors": errors or [],
        }
        return TemplateResponse(request, "admin/workflows/workflow/activate.html", context)

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start nothing and go on with nothing."""
        said = '"{row}" is paused. It starts nothing, and records under way wait.'
        return self._do(request, object_id, activating.pause, "Paused.", said)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go on with the version that was activated last."""
        said = '"{row}" is active again. What happened during the pause starts nothing.'
        return self._do(request, object_id, activating.resume, "Resumed.", said)

    def archive_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and put it aside; what is under way is cancelled where that is ticked."""
        row = self.find_row(request, object_id, ACTIVATE)
        if request.method == "POST":
            cancel = request.POST.get("cancel") == "yes"
            return self._do(
                request,
                object_id,
                activating.cancel_and_archive if cancel else activating.archive,
                "Archived.",
                '"{row}" is archived. Its versions and runs are kept.',
            )
        context = {
            **self.page_context(request, row, f"Archive {row}"),
            "open_items": activating.open_items(row),
        }
        return TemplateResponse(request, "admin/workflows/workflow/archive.html", context)

    def _do(
        self,
        request: HttpRequest,
        object_id: str,
        service: Callable[..., None],
        logged: str,
        said: str,
    ) -> HttpResponse:
        row = self.find_row(request, object_id, ACTIVATE)
        user: Any = request.user
        try:
            service(row, by=user.get_username())
        except WorkflowsError as problem:
            tell(request, problem)
        else:
            self.log_change(request, row, logged)
            messages.success(request, said.format(row=row))
        return back_to(row)


def is_destructive(definition: Definition) -> bool:
    """Whether one of its blocks takes accounts or access away."""
    kinds = [(find_kind(block.kind), block) for block in definition.blocks]
    return any(kind is not None and kind.is_destructive(block) for kind, block in kinds)


def starts_in_words(begin: BeginPart) -> str:
    """When it starts, as the end of a sentence."""
    schedule = readable_schedule(begin.schedule, "this version")
    parts = {
        "new": "when a record was added",
        "edit": "when a record was changed",
        "archive": "when a record was deactivated",
        "schedule": in_words(schedule) if schedule is not None else "by its schedule",
        "manual": "when somebody starts it by hand",
    }
    return "; ".join(parts[name] for name in begin.actions if name in parts) or "never"


def _number(typed: str) -> int | None:
    plain = typed.replace(",", "").replace(" ", "")
    is_number = plain.isascii() and plain.isdigit() and len(plain) <= _LONGEST_NUMBER
    return int(plain) if is_number else None
