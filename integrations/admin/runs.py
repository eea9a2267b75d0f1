"""Configuration > Runs: what a run is doing or did, its plan as old -> new, its error log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations.admin.filters import IntegrationFilter
from integrations.admin.run_held import HeldRemovals
from integrations.admin.run_log import read_log
from integrations.admin.run_plan import read_plan, shown_totals
from integrations.admin.run_undo import RunUndo
from integrations.admin.unseen import unseen_fields, veil_issues
from integrations.mending import mend_of
from integrations.models import PlannedChange, SyncRun
from integrations.overview import plan_totals
from integrations.show import duration, moment, since, state_badge
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin

_SHOWN_REMOVALS = 20
_STEPS = {
    "": "Waiting for its turn",
    "start": "Reading the configuration",
    "fetch": "Reading the vendor's listing",
    "stage": "Reading the vendor's listing",
    "plan": "Comparing with people and SaaS users",
    "apply": "Writing people and SaaS users",
    "removals": "Looking up and removing who left",
    "undo": "Writing back what the run wrote",
}


@admin.register(SyncRun)
class SyncRunAdmin(RunUndo, HeldRemovals, ReadOnlyMixin, SafeQueryMixin, ModelAdmin):
    """Runs are read, never changed by hand. All pages of one ask as much, whatever its size."""

    list_display = (
        "run_name",
        "kind",
        "state_shown",
        "seen",
        "people_shown",
        "issue_count",
        "started_by",
        "when",
        "took",
    )
    list_filter = (
        IntegrationFilter,
        ("kind", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
    )
    list_select_related = False
    ordering = ("-id",)
    sortable_by = ("when",)
    list_per_page = 50
    list_before_template = "admin/integrations/syncrun/list_before.html"
    actions = None

    # The list --------------------------------------------------------------------------------

    @admin.display(description="Run")
    def run_name(self, row: SyncRun) -> str:
        return f"{row.name}, run {row.pk}"

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: SyncRun) -> SafeString:
        return state_badge(row)

    @admin.display(description="Records")
    def seen(self, row: SyncRun) -> int:
        return int(row.counts.get("seen", 0))

    @admin.display(description="People")
    def people_shown(self, row: SyncRun) -> str:
        return short_counts(row.counts.get("people", {}))

    @admin.display(description="Issues")
    def issue_count(self, row: SyncRun) -> int:
        return int(row.counts.get("issues", 0))

    @admin.display(description="When", ordering="id")
    def when(self, row: SyncRun) -> SafeString:
        at = row.started_at or row.queued_at
        return format_html('<span title="{}">{}</span>', moment(at), f"{moment(at)} ({since(at)})")

    @admin.display(description="Took")
    def took(self, row: SyncRun) -> str:
        return duration(row)

    # Pages -------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Plan, log and progress beside the run itself."""
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/plan/", wrap(self.plan_view), name="integrations_syncrun_plan"),
            path(
                "<path:object_id>/decide/",
                wrap(self.decide_view),
                name="integrations_syncrun_decide",
            ),
            path("<path:object_id>/log/", wrap(self.log_view), name="integrations_syncrun_log"),
            path(
                "<path:object_id>/progress/",
                wrap(self.progress_view),
                name="integrations_syncrun_progress",
            ),
            path("<path:object_id>/undo/", wrap(self.undo_view), name="integrations_syncrun_undo"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The run: how far it is or how it ended, counts, removals that wait. Ten queries."""
        run = self._run(request, object_id)
        waiting = PlannedChange.objects.filter(run=run, state=PlannedChange.State.REMOVAL)
        totals = plan_totals(run)
        context = {
            "title": str(run),
            "progress": progress_of(run),
            "active": run.state in SyncRun.ACTIVE_STATES,
            "preview": run.kind == SyncRun.Kind.PREVIEW,
            "cards": cards_of(run),
            "listed": run.listing.get("records") or run.counts.get("seen", 0),
            "mend": mend_of(run),
            "removals": waiting[:_SHOWN_REMOVALS],
            "removal_count": sum(total.count for total in totals if total.state == "removal"),
            "totals": shown_totals(totals),
            "may_run": request.user.has_perm("integrations.run_integration"),
            **self.held_context(request, run),
            **self.undo_context(request, run),
            **(extra_context or {}),
        }
        return self._page(request, run, "run", context)

    def plan_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The plan as old -> new, a page at a time. Five queries, however long it is."""
        run = self._run(request, object_id)
        page = read_plan(run, request.GET, unseen_fields(request))
        context = {
            "title": f"Plan of {run}",
            "page": page,
            "totals": shown_totals(plan_totals(run)),
            "preview": run.kind == SyncRun.Kind.PREVIEW,
            **self.deciding_context(request, run, page),
        }
        return self._page(request, run, "plan", context)

    def log_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Issues, warnings and skipped records with the reason. Four queries."""
        run = self._run(request, object_id)
        page = read_log(run, request.GET)
        veil_issues(request, page.issues)
        context = {"title": f"Error log of {run}", "page": page}
        return self._page(request, run, "log", context)

    def progress_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """How far the run is, for the page that shows it. One query besides the user's."""
        run = self._run(request, object_id)
        return JsonResponse(progress_of(run), headers={"Cache-Control": "no-store"})

    def _run(self, request: HttpRequest, object_id: str) -> SyncRun:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run: SyncRun | None = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        return run

    def _page(
        self, request: HttpRequest, run: SyncRun, name: str, context: Mapping[str, Any]
    ) -> HttpResponse:
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": run,
            "run": run,
            **context,
        }
        return TemplateResponse(request, f"admin/integrations/syncrun/{name}.html", shared)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncRun]:
        """With the integration, which each page links to."""
        rows: QuerySet[SyncRun] = super().get_queryset(request)
        return rows.select_related("integration")


def progress_of(run: SyncRun) -> dict[str, Any]:
    """What the page shows of a run that is under way. No query."""
    done, total = run.progress_done, run.progress_total
    amount = f"{done:,} of {total:,}" if total else f"{done:,} so far" if done else ""
    return {
        "ended": run.state not in SyncRun.ACTIVE_STATES,
        "state": run.get_state_display(),
        "step": _STEPS.get(run.step, run.step.replace("_", " ").capitalize()),
        "done": min(done, total) if total else done,
        "total": total,
        "amount": amount,
        "took": duration(run),
    }


def short_counts(counts: Mapping[str, int]) -> str:
    """The counts that are not zero, in words: `12 created, 3 updated`."""
    told = ("created", "updated", "reactivated", "deactivated", "removed", "skipped")
    parts = [f"{counts[name]:,} {name}" for name in told if counts.get(name)]
    return ", ".join(parts) or "No change"


def cards_of(run: SyncRun) -> list[dict[str, Any]]:
    """The counts as cards; what is zero is left out, but for the listing itself. No query."""
    counts = run.counts or {}
    cards: list[dict[str, Any]] = []
    if run.kind != SyncRun.Kind.UNDO:
        cards.append({"title": "Records listed", "figure": counts.get("seen", 0), "more": ""})
    for key, title in (("people", "People"), ("saas_users", "SaaS users")):
        per = counts.get(key) or {}
        changed = sum(per.get(name, 0) for name in ("created", "updated", "reactivated", "removed"))
        cards.append(
            {
                "title": f"{title} changed",
                "figure": changed,
                "more": f"{short_counts(per)}; {per.get('unchanged', 0):,} unchanged",
            }
        )
    roles = counts.get("roles") or {}
    if roles.get("added") or roles.get("ended"):
        more = f"{roles.get('added', 0):,} added, {roles.get('ended', 0):,} ended"
        cards.append(
            {
                "title": "Roles",
                "figure": roles.get("added", 0) + roles.get("ended", 0),
                "more": more,
            }
        )
    cards.append({"title": "Issues", "figure": counts.get("issues", 0), "more": ""})
    return cards
