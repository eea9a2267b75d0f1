"""Held removals on the pages of a run: tick rows, read the names, decide (M-14, M-17)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrations.admin import reauth
from integrations.admin.decision import DecisionForm
from integrations.admin.run_plan import PlanPage, filtered_rows, read_choice
from integrations.admin.standing import read_tokens, token_of
from integrations.approvals import Decision, approve, count_held, reject
from integrations.guard import Room, accounts_room, people_room
from integrations.models import PlannedChange, SyncRun

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

PERMISSION = "integrations.approve_plannedchange"
MOST_AT_ONCE = 10_000
_NAMES = 50
_REFUSED_NAMES = 20
_HELD = PlannedChange.State.HELD


class HeldRemovals(_Base):
    """For the SyncRunAdmin: what its pages say of held removals, and the page that asks twice."""

    def held_context(self, request: HttpRequest, run: SyncRun) -> dict[str, Any]:
        """What the run's page says of removals that wait. One query, two when it is held."""
        return {
            "holding": count_held(run),
            "moved_to": run.held_in,
            "may_decide": _may_decide(request, run),
        }

    def deciding_context(
        self, request: HttpRequest, run: SyncRun, page: PlanPage
    ) -> dict[str, Any]:
        """What the plan's page needs to have its held rows decided on. Two queries."""
        if page.chosen["state"] != _HELD:
            return {"states": PlannedChange.State.choices}
        return {
            "states": PlannedChange.State.choices,
            "deciding": _may_decide(request, run),
            "held_here": filtered_rows(run, page.chosen).count(),
            "most_at_once": MOST_AT_ONCE,
            "second_person": settings.SECOND_PERSON,
            "moved_to": run.held_in,
        }

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """List who is meant and ask; confirmed, decide. Eight queries, however many rows."""
        run: SyncRun = self._run(request, object_id)
        if not _may_decide(request, run):
            raise PermissionDenied
        shown = _read_shown(run, request.POST)
        verdict = request.POST.get("verdict", "")
        if request.method != "POST" or verdict not in {"approve", "reject"} or not shown:
            if request.method == "POST":
                messages.warning(request, "Nothing was selected: tick rows, then decide on them.")
            return redirect(_held_page(run))
        approving = verdict == "approve"
        rooms = _exceeded(run, shown) if approving else []
        form = DecisionForm(
            request.POST if "confirmed" in request.POST else None,
            request=request,
            number=len(shown) if rooms else None,
            ask_password=approving and not reauth.is_confirmed(request),
        )
        if form.is_bound and form.is_valid():
            return _decide(request, run, verdict, shown)
        context = {
            "title": "Approve removals" if approving else "Reject removals",
            "approving": approving,
            "verdict": verdict,
            "form": form,
            "rooms": rooms,
            "count": len(shown),
            "tokens": " ".join(f"{pk}:{mark}" for pk, mark in shown),
            "names": _names(shown),
            "more": max(len(shown) - _NAMES, 0),
            "second_person": settings.SECOND_PERSON,
        }
        answer: HttpResponse = self._page(request, run, "decide", context)
        return answer


def _may_decide(request: HttpRequest, run: SyncRun) -> bool:
    return run.integration is not None and request.user.has_perm(PERMISSION)


def _held_page(run: SyncRun) -> str:
    query = urlencode({"state": _HELD.value})
    return f"{reverse('admin:integrations_syncrun_plan', args=(run.pk,))}?{query}"


def _read_shown(run: SyncRun, asked: QueryDict) -> list[tuple[int, str]]:
    """(id, hash) of the rows that were ticked; or of all that the filter leaves, as they are now.

    One query in the latter case. More than MOST_AT_ONCE are left for another time.
    """
    if "every" not in asked:
        return list(dict(read_tokens(asked.getlist("row"))).items())[:MOST_AT_ONCE]
    chosen = read_choice({name: asked.get(name, "") for name in ("object", "action", "q")})
    rows = filtered_rows(run, {**chosen, "state": _HELD.value})
    held = rows.order_by("pk").only("object", "target_id", "action", "changes")
    return list(read_tokens(token_of(row) for row in held[:MOST_AT_ONCE]))


def _exceeded(run: SyncRun, shown: Sequence[tuple[int, str]]) -> list[Room]:
    """The limits that so many are more than. Four queries at most."""
    counts = dict(
        PlannedChange.objects.filter(pk__among=[pk for pk, _mark in shown])
        .order_by()
        .values_list("object")
        .annotate(Count("pk"))
    )
    integration, now = run.integration, timezone.now()
    rooms = []
    if people := counts.get("person"):
        room = people_room(now, lowered_by=integration)
        rooms += [room] if people > room.limit else []
    application = integration.application if integration else None
    if (accounts := counts.get("saas_user")) and application:
        room = accounts_room(application, now, lowered_by=integration)
        rooms += [room] if accounts > room.limit else []
    return rooms


def _names(shown: Sequence[tuple[int, str]]) -> list[PlannedChange]:
    first = [pk for pk, _mark in shown[:_NAMES]]
    return list(PlannedChange.objects.filter(pk__in=first).order_by("pk"))


def _decide(
    request: HttpRequest, run: SyncRun, verdict: str, shown: Sequence[tuple[int, str]]
) -> HttpResponse:
    by = request.user.get_username()
    if verdict == "approve":
        decision = approve(shown, by=by)
        _tell_approved(request, decision)
    else:
        decision = reject(shown, by=by)
        if decision.decided:
            messages.success(
                request,
                f"{_removals(decision.decided)} rejected: they stay as they are, and are not asked "
                "about again for as long as the vendor says the same.",
            )
    if decision.refused:
        messages.warning(request, _refusals(decision.refused))
    return redirect(_held_page(run))


def _tell_approved(request: HttpRequest, decision: Decision) -> None:
    if decision.decided:
        messages.success(request, _what_happens_next(decision))
    if decision.waiting:
        messages.info(
            request,
            f"You approved {decision.waiting:,}: a second person has to approve them too. Nothing "
            "happens before.",
        )


def _what_happens_next(decision: Decision) -> SafeString:
    said = f"{_removals(decision.decided)} approved. Each is looked up once more, then applied"
    if not decision.runs:
        return format_html("{} as soon as the run that is under way has ended.", said)
    links = format_html_join(
        ", ",
        '<a class="rc-link" href="{}">run {}</a>',
        [
            (reverse("admin:integrations_syncrun_change", args=(run.pk,)), run.pk)
            for run in decision.runs
        ],
    )
    return format_html("{} in {}.", said, links)


def _removals(count: int) -> str:
    return f"{count:,} removal{' is' if count == 1 else 's are'}"


def _refusals(refused: Sequence[tuple[str, str]]) -> SafeString:
    """Who was not decided on and why, by name."""
    more = len(refused) - _REFUSED_NAMES
    listed = format_html_join("", "<li>{}: {}</li>", refused[:_REFUSED_NAMES])
    rest = format_html("<li>and {} more</li>", f"{more:,}") if more > 0 else ""
    return format_html("Not decided on:<ul>{}{}</ul>", listed, rest)
