"""Cancelling a run or some of its records, and asking again for what failed."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from people.counting import add, counted_to
from workflows.admin.counting import MOST_COUNTED, counts_of_runs
from workflows.admin.held import refusals
from workflows.admin.shown import RUN, read_ids
from workflows.cancelling import cancel_items, cancel_run
from workflows.errors import WorkflowsError
from workflows.models import RunItem, WorkflowRun
from workflows.retrying import Which, retry

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

MOST_AT_ONCE = 5_000
_NAMES = 20
_ENDED_BADLY = (RunItem.State.FAILED, RunItem.State.CANCELLED)


class DoingPages(_Base):
    """For the WorkflowRunAdmin: each asks on a page of its own first."""

    def doing_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        views: dict[str, Any] = {"cancel": self.cancel_view, "retry": self.retry_view}
        return [
            path(f"<path:object_id>/{name}/", wrap(view), name=f"workflows_workflowrun_{name}")
            for name, view in views.items()
        ]

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then end the run, or the records in `item`. Some ten queries."""
        run = self._run_to_change(request, object_id)
        ids, chosen = _chosen(request, run)
        if chosen and not ids:
            return _nothing(request, run)
        if "confirmed" in request.POST:
            return _cancel(request, run, ids if chosen else None)
        open_ = RunItem.objects.filter(run=run.pk, state__in=RunItem.OPEN_STATES)
        meant = open_.filter(pk__in=ids)
        counts = counts_of_runs([run])[run.pk]
        context = {
            "title": f"Cancel in {run}" if chosen else f"Cancel {run}",
            "chosen": chosen,
            "ids": " ".join(map(str, ids)),
            "number": meant.count() if chosen else add(counts["waiting"], counts["held"]),
            "names": _first_names(meant) if chosen else _open_names(run),
        }
        answer: HttpResponse = self.run_page(request, run, "cancel", context)
        return answer

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask with which version, then let failed or cancelled records go on. Some 15 queries."""
        run = self._run_to_change(request, object_id)
        ids, chosen = _chosen(request, run)
        if chosen and not ids:
            return _nothing(request, run)
        meant = RunItem.objects.filter(run=run.pk, state__in=_ENDED_BADLY)
        # Unless they are named, only what failed: somebody meant to cancel the others.
        meant = meant.filter(pk__in=ids) if chosen else meant.filter(state=RunItem.State.FAILED)
        if "confirmed" in request.POST:
            keys = list(meant.order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE])
            return _retry(request, run, keys)
        active = run.workflow.active_version
        context = {
            "title": f"Retry in {run}",
            "ids": " ".join(map(str, ids)),
            "chosen": chosen,
            "number": counted_to(meant.order_by()[: MOST_COUNTED + 1].count(), MOST_COUNTED),
            "most_at_once": MOST_AT_ONCE,
            "names": _first_names(meant),
            "other": active if active is not None and active.pk != run.version_id else None,
        }
        answer: HttpResponse = self.run_page(request, run, "retry", context)
        return answer

    def _run_to_change(self, request: HttpRequest, object_id: str) -> WorkflowRun:
        if not request.user.has_perm(RUN):
            raise PermissionDenied
        run: WorkflowRun = self.find_run(request, object_id)
        return run


def _chosen(request: HttpRequest, run: WorkflowRun) -> tuple[list[int], bool]:
    """The items of this run that were ticked, and whether single ones are meant. One query."""
    ids = read_ids(request.POST.getlist("item"))[:MOST_AT_ONCE]
    mine = set(RunItem.objects.filter(run=run.pk, pk__in=ids).values_list("pk", flat=True))
    return [pk for pk in ids if pk in mine], "some" in request.POST


def _first_names(meant: QuerySet[RunItem]) -> list[str]:
    """One query."""
    return list(meant.order_by("pk").values_list("label", flat=True)[:_NAMES])


def _open_names(run: WorkflowRun) -> list[str]:
    """State by state, as an index of the run holds them. Four queries."""
    rows = RunItem.objects.filter(run=run.pk)
    names = [_first_names(rows.filter(state=state)) for state in RunItem.OPEN_STATES]
    return list(chain.from_iterable(names))[:_NAMES]


def _nothing(request: HttpRequest, run: WorkflowRun) -> HttpResponse:
    messages.warning(request, "Nothing was selected: tick records, then press the button.")
    return redirect("admin:workflows_workflowrun_change", run.pk)


def _cancel(request: HttpRequest, run: WorkflowRun, ids: list[int] | None) -> HttpResponse:
    by = request.user.get_username()
    try:
        number = cancel_run(run, by=by) if ids is None else cancel_items(ids, by=by)
    except WorkflowsError as problem:
        messages.warning(request, problem.message)
    else:
        which = "1 record was" if number == 1 else f"{number:,} records were"
        messages.success(request, f"{which} cancelled. What had been done is kept.")
    return redirect("admin:workflows_workflowrun_change", run.pk)


def _retry(request: HttpRequest, run: WorkflowRun, ids: list[int]) -> HttpResponse:
    which: Which = "current" if request.POST.get("version") == "current" else "old"
    now_active = str(run.workflow.active_version_id)
    if which == "current" and request.POST.get("shown", now_active) != now_active:
        messages.warning(
            request,
            "Another version was activated since you looked. Nothing was retried: look again.",
        )
        return redirect("admin:workflows_workflowrun_change", run.pk)
    try:
        done = retry(ids, by=request.user.get_username(), version=which)
    except WorkflowsError as problem:
        messages.error(request, problem.message)
    else:
        if done.retried:
            words = "1 record goes" if done.retried == 1 else f"{done.retried:,} records go"
            messages.success(request, f"{words} on from where it failed.")
        if done.refused:
            messages.warning(request, refusals(done.refused, "Not retried:"))
        if not done.retried and not done.refused:
            messages.info(request, "There is nothing to retry.")
    return redirect("admin:workflows_workflowrun_change", run.pk)
