"""Configuration > Issues: records that wait for a person's word on who they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from integrations.admin.filters import IntegrationFilter
from integrations.admin.unseen import veil_issues
from integrations.errors import CannotSettle
from integrations.models import RecordIssue, RecordLink
from integrations.overview import with_judged_run
from integrations.settle import SETTLEABLE, can_be_settled, settle_issue
from integrations.show import badge, moment, state_badge
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin, per_request_cache
from people.models import Person

_MOST_CANDIDATES = 20


class StandingFilter(DropdownFilter):
    """What is open now, unless something else is asked for."""

    title = "standing"
    parameter_name = "standing"
    all_option = None

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("settled", "Settled"), ("all", "Of every run")]

    def value(self) -> str:
        chosen = super().value()
        return chosen if chosen in {"settled", "all"} else "open"

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "open":
            # Their ids, not a query for them: so that the planner knows how many issues they have.
            runs = [run for _name, run in _integrations(request).values() if run is not None]
            return rows.filter(run__in=runs, settled_at__isnull=True)
        return rows.filter(settled_at__isnull=False) if self.value() == "settled" else rows


class IssueIntegrationFilter(IntegrationFilter):
    """By the integration of the issue's run."""

    path = "run__integration"

    def lookups(self, request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, (name, _run) in _integrations(request).items()]


def _integrations(request: HttpRequest) -> Mapping[Any, tuple[str, int | None]]:
    """Name and last judged run by integration. One query per request."""

    def read() -> Mapping[Any, tuple[str, int | None]]:
        rows = with_judged_run().values_list("pk", "name", "judged_run")
        return {pk: (name, run) for pk, name, run in rows}

    return per_request_cache(request, "integrations with judged runs", read)


class CodeFilter(DropdownFilter):
    """By the kind of issue: those that a person can settle by name. No query."""

    title = "kind"
    parameter_name = "code"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(code, _code_label(code)) for code in sorted(SETTLEABLE)]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(code=self.value()) if self.value() else rows


@admin.register(RecordIssue)
class RecordIssueAdmin(ReadOnlyMixin, SafeQueryMixin, ModelAdmin):
    """Issues are made by runs and settled by a person; nothing else changes them."""

    list_display = ("key", "kind", "severity_shown", "reason", "of_run", "settled")
    list_filter = (
        StandingFilter,
        IssueIntegrationFilter,
        ("severity", ChoicesDropdownFilter),
        CodeFilter,
    )
    search_fields = ("key__istartswith", "external_id__startswith")
    search_help_text = "Search by the beginning of the e-mail or of the vendor's id"
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    list_select_related = ("run",)
    list_before_template = "admin/integrations/recordissue/list_before.html"
    actions = None

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Reasons that may quote a hidden field are veiled (M-36)."""
        listed = super().get_changelist_instance(request)
        listed.result_list = list(listed.result_list)
        veil_issues(request, listed.result_list)
        return listed

    @admin.display(description="Kind", ordering="code")
    def kind(self, row: RecordIssue) -> str:
        return _code_label(row.code)

    @admin.display(description="Severity", ordering="severity")
    def severity_shown(self, row: RecordIssue) -> SafeString:
        return state_badge(row, "severity")

    @admin.display(description="Run")
    def of_run(self, row: RecordIssue) -> str:
        return str(row.run)

    @admin.display(description="Settled")
    def settled(self, row: RecordIssue) -> SafeString | str:
        return badge(row.get_settled_as_display(), "good") if row.settled_at else "–"

    def get_urls(self) -> list[URLPattern]:
        """The action beside the page."""
        wrap = self.admin_site.admin_view
        settle = path(
            "<path:object_id>/settle/",
            wrap(require_POST(self.settle_view)),
            name="integrations_recordissue_settle",
        )
        return [settle, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The record and the people that it may be, side by side. Four queries."""
        issue = self._issue(request, object_id)
        veil_issues(request, [issue])
        people = list(
            Person.objects.filter(pk__in=issue.candidates[:_MOST_CANDIDATES])
            .select_related("department")
            .prefetch_related("record_links")
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"{_code_label(issue.code)}: {issue.key}",
            "opts": self.model._meta,
            "issue": issue,
            "kind": _code_label(issue.code),
            "people": people,
            "settled_at": moment(issue.settled_at),
            "may_settle": can_be_settled(issue)
            and request.user.has_perm("integrations.settle_recordissue"),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/integrations/recordissue/issue.html", context)

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a person's word: the same person as one of the candidates, or another one."""
        if not request.user.has_perm("integrations.settle_recordissue"):
            raise PermissionDenied
        issue = self._issue(request, object_id)
        person = request.POST.get("person", "")
        decision = request.POST.get("decision", "")
        person_id = int(person) if person.isdecimal() and len(person) < len(str(2**63)) else None
        if decision == RecordLink.Decision.SAME_PERSON and person_id not in issue.candidates:
            messages.error(request, "Choose one of the people that are shown.")
            return redirect("admin:integrations_recordissue_change", issue.pk)
        try:
            settle_issue(
                issue,
                decision=decision,
                person_id=person_id if decision == RecordLink.Decision.SAME_PERSON else None,
                by=request.user.get_username(),
            )
        except CannotSettle as problem:
            messages.error(request, problem.message)
            return redirect("admin:integrations_recordissue_change", issue.pk)
        messages.success(
            request, f"{issue.key} is settled. The next run of the integration acts on it."
        )
        return redirect("admin:integrations_recordissue_changelist")

    def _issue(self, request: HttpRequest, object_id: str) -> RecordIssue:
        if not self.has_view_permission(request):
            raise PermissionDenied
        issue: RecordIssue | None = self.get_object(request, unquote(object_id))
        if issue is None:
            raise Http404
        return issue

    def get_queryset(self, request: HttpRequest) -> QuerySet[RecordIssue]:
        """With the run and its integration, which each page names."""
        rows: QuerySet[RecordIssue] = super().get_queryset(request)
        return rows.select_related("run__integration")


def _code_label(code: str) -> str:
    return (
        code.replace("_", " ").capitalize().replace("rehire", "re-hire").replace("Email", "E-mail")
    )
