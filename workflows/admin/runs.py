"""Configuration > Workflow runs: what runs did and are doing, and the records of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from integrations.show import duration, moment, since, state_badge
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin
from workflows.admin.counting import (
    count_ended,
    count_open,
    counts_of_runs,
    moves_by_itself,
)
from workflows.admin.held import HeldPages
from workflows.admin.run_doing import DoingPages
from workflows.admin.run_items import find_records, read_items
from workflows.admin.shown import RUN, read_number
from workflows.approvals import DECIDE, waiting_for
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.reports import in_words

_MOST_RECORDS = 200
_MOST_RUNS = 1_000


class WorkflowFilter(DropdownFilter):
    """Runs of one workflow. One query for the names."""

    title = "workflow"
    parameter_name = "of"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Workflow.objects.values_list("pk", "name")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return rows
        return rows.filter(workflow=read_number(value))


@admin.register(WorkflowRun)
class WorkflowRunAdmin(HeldPages, DoingPages, ReadOnlyMixin, SafeQueryMixin, ModelAdmin):
    """Runs are read, cancelled and retried; their rows are kept, also those of archived workflows.

    Every page asks as much, whatever the size of a run.
    """

    list_display = ("run_name", "version_shown", "how", "state_shown", "counted", "when", "took")
    list_filter = (
        WorkflowFilter,
        ("state", ChoicesDropdownFilter),
        ("trigger", ChoicesDropdownFilter),
    )
    search_fields = ("name",)
    search_help_text = "Search by the name or e-mail of a record"
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    list_before_template = "admin/workflows/workflowrun/list_before.html"
    list_after_template = "admin/workflows/workflowrun/list_after.html"
    actions = None

    # The list --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkflowRun]:
        """With workflow and version; without the records that were chosen by name."""
        rows: QuerySet[WorkflowRun] = super().get_queryset(request)
        return rows.select_related("workflow", "version").defer("selection", "version__begin")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Put the counts on the rows of the page. At most one query more."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        counts = counts_of_runs(rows)
        for row in rows:
            row.shown_counts = counts[row.pk]
        changes.result_list = rows
        if rows:  # Beyond what is counted, lists go on by id.
            changes.older_query = changes.get_query_string({"id__lt": rows[-1].pk}, ["p"])
        return changes

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Workflow runs", **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WorkflowRun], search_term: str
    ) -> tuple[QuerySet[WorkflowRun], bool]:
        """Runs with a record that has this name or e-mail. Three queries, by indexes.

        Of the records that fit the first 200, of their runs the newest 1,000.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        if "\x00" in term or len(term) > _MOST_RECORDS:
            return queryset.none(), False
        mine = Q(pk__in=[])
        for kind in (Workflow.Object.PERSON, Workflow.Object.SAAS_USER):
            ids = list(find_records(kind, term).values_list("pk", flat=True)[:_MOST_RECORDS])
            mine |= Q(record_id__in=ids, workflow__object=kind)
        runs = RunItem.objects.filter(mine).order_by("-pk").values_list("run_id", flat=True)
        return queryset.filter(pk__in=set(runs[:_MOST_RUNS])), False

    @admin.display(description="Run")
    def run_name(self, row: WorkflowRun) -> str:
        return str(row)

    @admin.display(description="Version")
    def version_shown(self, row: WorkflowRun) -> int:
        return row.version.number

    @admin.display(description="Started by")
    def how(self, row: WorkflowRun) -> SafeString:
        return format_html(
            '{}<div class="rc-subtle rc-small">{}</div>',
            row.get_trigger_display(),
            row.started_by,
        )

    @admin.display(description="State")
    def state_shown(self, row: WorkflowRun) -> SafeString:
        return state_badge(row)

    @admin.display(description="Records")
    def counted(self, row: Any) -> str:
        if row.state == WorkflowRun.State.QUEUED:
            return "Not chosen yet"
        return in_words({"matched": 0, "operations": {}, **(row.shown_counts or {})})

    @admin.display(description="When")
    def when(self, row: WorkflowRun) -> SafeString:
        at = row.started_at or row.queued_at
        return format_html("{} ({})", moment(at), since(at))

    @admin.display(description="Took")
    def took(self, row: Any) -> str:
        return duration(row)

    # Pages -------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Progress, what can be done, and what is held, beside the run itself."""
        progress = path(
            "<path:object_id>/progress/",
            self.admin_site.admin_view(self.progress_view),
            name="workflows_workflowrun_progress",
        )
        return [progress, *self.held_urls(), *self.doing_urls(), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The run and a page of its records. About seven queries, whatever its size."""
        if not self.has_view_permission(request):
            return self._to_approvals(request, object_id)
        run = self.find_run(request, object_id)
        counts = counts_of_runs([run])[run.pk]
        may = request.user.has_perm
        context = {
            "title": str(run),
            "counts": counts,
            "cards": cards_of(run, counts),
            "progress": progress_of(run, counts),
            "active": is_moving(run, counts),
            "page": read_items(request, run, request.GET),
            "may_run": may(RUN),
            "may_decide": may(DECIDE),
            "open_number": counts["waiting"] + counts["held"],
            "to_retry": counts["failed"] + counts["cancelled"],
            "shows_source": may("integrations.view_syncrun"),
            "shows_workflow": may("workflows.view_workflow"),
            **(extra_context or {}),
        }
        return self.run_page(request, run, "run", context)

    def progress_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """How far the run is, for the page that shows it. Three queries."""
        run = self.find_run(request, object_id)
        counts = count_open(run)
        progress = {"ended": not is_moving(run, counts), **progress_of(run, counts)}
        return JsonResponse(progress, headers={"Cache-Control": "no-store"})

    def find_run(self, request: HttpRequest, object_id: str) -> WorkflowRun:
        """The run, for who may read runs. One query."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        pk = unquote(object_id)
        known = pk.isascii() and pk.isdecimal() and len(pk) < len(str(2**63))
        rows = self.get_queryset(request).select_related("workflow__application", "source_run")
        rows = rows.select_related("slot", "workflow__active_version")
        run: WorkflowRun | None = rows.filter(pk=int(pk)).first() if known else None
        if run is None:
            raise Http404
        return run

    def run_page(
        self, request: HttpRequest, run: WorkflowRun, name: str, context: Mapping[str, Any]
    ) -> HttpResponse:
        """A page of this run, with what each of them has."""
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": run,
            "run": run,
            **context,
        }
        return TemplateResponse(request, f"admin/workflows/workflowrun/{name}.html", shared)

    def _to_approvals(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A mail about several records leads here; approvers need not read runs."""
        user: Any = request.user
        pk = unquote(object_id)
        if not (pk.isascii() and pk.isdecimal() and len(pk) < len(str(2**63))):
            raise PermissionDenied
        if not waiting_for(user).filter(run=int(pk)).exists():
            raise PermissionDenied
        return redirect(f"{reverse('admin:workflows_runitem_changelist')}?run={pk}")


def is_moving(run: WorkflowRun, counts: Mapping[str, Any]) -> bool:
    """Whether something happens by itself now, so that the page follows it. At most one query."""
    return run.state == WorkflowRun.State.QUEUED or (
        run.state == WorkflowRun.State.RUNNING
        and run.workflow.state == Workflow.State.ACTIVE
        and moves_by_itself(run.pk, counts)
    )


def progress_of(run: WorkflowRun, counts: Mapping[str, Any]) -> dict[str, Any]:
    """How far a run is. No query."""
    total = counts["matched"]
    done = count_ended(counts)
    queued = run.state == WorkflowRun.State.QUEUED
    return {
        "state": run.get_state_display(),
        "step": "Choosing the records" if queued else "Working through the blocks",
        "done": int(done),
        "total": total,
        "amount": f"{done:,} of {total:,}" if total else "",
        "took": duration(run),  # type: ignore[arg-type]
    }


def cards_of(run: WorkflowRun, counts: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The counts as cards; what is zero is left out, but for the first three. No query."""
    under_way = run.already_under_way
    cards = [
        ("Records", counts["matched"], f"{under_way:,} already under way" if under_way else ""),
        ("Done", counts["done"], ""),
        ("Failed", counts["failed"], ""),
        ("Under way", counts["waiting"], ""),
        ("Held", counts["held"], "wait for a person"),
        ("No longer apply", counts["no_longer_applies"], "the rules of Begin hold no more"),
        ("Cancelled", counts["cancelled"], ""),
    ]
    calls: Mapping[str, int] = (run.counts or {}).get("operations") or {}
    if run.finished_at is not None and any(calls.values()):
        more = ", ".join(f"{number:,} {word}" for word, number in calls.items() if number)
        cards.append(("Calls that change something", sum(calls.values()), more))
    return [
        {"title": title, "figure": figure, "more": more}
        for number, (title, figure, more) in enumerate(cards)
        if figure or number < 3  # noqa: PLR2004 - what everybody looks for
    ]
