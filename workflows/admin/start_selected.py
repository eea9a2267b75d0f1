"""Starting a workflow for what was selected in the lists of people and SaaS users."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from people.models import Person
from workflows.admin.shown import RUN
from workflows.admin.starting import Selection, choose_and_start

MOST_AT_ONCE = 100_000


def start_permission(_admin: Any, request: HttpRequest) -> bool:
    """Who is offered the action."""
    return request.user.has_perm(RUN)


@admin.action(description="Start a workflow…", permissions=["start_workflow"])
def start_workflow(
    _model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """For the records that were ticked, or for all that the list is filtered to."""
    if not request.user.has_perm(RUN):
        raise PermissionDenied
    rows = queryset.order_by("pk")
    ids = list(rows.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    if len(ids) > MOST_AT_ONCE:
        messages.error(request, f"Select at most {MOST_AT_ONCE:,} records at once.")
        return None
    of_people = queryset.model is Person
    applications = [] if of_people else sorted(set(rows.values_list("application_id", flat=True)))
    word = "person" if of_people else "SaaS user"
    several = "people" if of_people else "SaaS users"
    carried = [("action", "start_workflow")]
    carried.append(("select_across", request.POST.get("select_across", "0")))
    ticked = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    carried += [(helpers.ACTION_CHECKBOX_NAME, one) for one in ticked]
    selection = Selection(
        object="person" if of_people else "saas_user",
        ids=ids,
        application_ids=applications,
        words=f"1 {word}" if len(ids) == 1 else f"{len(ids):,} {several}",
        back=request.get_full_path(),
        carried=carried,
    )
    return choose_and_start(request, selection)
