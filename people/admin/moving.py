"""Deactivating and reactivating people by name: a page that lists them, asks why, then does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from people import by_hand, moves
from people.admin.common import owners_for
from people.errors import PeopleError
from people.models import Person

MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Move:
    """One direction: what it is called, whom it touches, what does it."""

    action: str
    title: str
    button: str
    done: str
    from_status: str
    apply: Callable[..., moves.Moved]
    dangerous: bool


DEACTIVATE = Move(
    action="deactivate_selected",
    title="Deactivate people",
    button="Deactivate",
    done="deactivated",
    from_status=Person.Status.ACTIVE,
    apply=moves.deactivate_people,
    dangerous=True,
)
REACTIVATE = Move(
    action="reactivate_selected",
    title="Reactivate people",
    button="Reactivate",
    done="reactivated",
    from_status=Person.Status.DEACTIVATED,
    apply=moves.reactivate_people,
    dangerous=False,
)


class ReasonForm(forms.Form):
    """Why; it stands in the history of each person. Over the limit, also how many (M-15)."""

    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Stands in the history of each person.",
    )
    typed = forms.CharField(
        max_length=10,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, number: int | None = None, **named: Any) -> None:
        super().__init__(*args, **named)
        self._number = number
        self.fields["typed"].label = f"Type {number} to confirm"
        if number is None:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        """Whoever types the number has read it."""
        typed: str = self.cleaned_data["typed"].strip()
        if typed != str(self._number):
            raise forms.ValidationError(f"These are {self._number} people: type that number.")
        return typed


def confirm_move(
    admin: Any, request: HttpRequest, queryset: QuerySet[Person], move: Move
) -> HttpResponse | None:
    """Show who is meant; with a reason, do it. A second click finds nothing left to do."""
    people = list(queryset.select_related("department").order_by("pk")[: MOST_AT_ONCE + 1])
    if len(people) > MOST_AT_ONCE:
        messages.error(
            request,
            f"Select at most {MOST_AT_ONCE} people at a time: the next page lists each by name.",
        )
        return None
    moving = [person for person in people if person.status == move.from_status]
    counted = move.dangerous and len(moving) > 1
    allowance = moves.removals_allowed(counting=False) if counted else None
    over = allowance is not None and len(moving) > allowance.left
    form = ReasonForm(
        request.POST if "reason" in request.POST else None, number=len(moving) if over else None
    )
    if request.method == "POST" and form.is_valid():
        apply = partial(move.apply, approved=True) if over else move.apply
        return _do(request, people, replace(move, apply=apply), form.cleaned_data["reason"])
    context = {
        **admin.admin_site.each_context(request),
        "title": move.title,
        "opts": admin.opts,
        "move": move,
        "people": moving,
        "already": len(people) - len(moving),
        "allowance": allowance,
        "over": over,
        "owner": owners_for(request).get("status"),
        "form": form,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "back_url": reverse("admin:people_person_changelist"),
        "media": admin.media,
    }
    return TemplateResponse(request, "people/confirm_move.html", context)


def _do(request: HttpRequest, people: list[Person], move: Move, reason: str) -> HttpResponse:
    try:
        moved = move.apply(
            [person.pk for person in people],
            actor=request.user.get_username(),
            reason=reason,
            today=by_hand.local_today(),
        )
    except PeopleError as problem:
        messages.error(request, str(problem))
        return HttpResponseRedirect(request.get_full_path())
    who = str(people[0]) if len(people) == 1 else f"{moved.changed} people"
    if moved.changed:
        verb = "was" if moved.changed == 1 and len(people) == 1 else "were"
        messages.success(request, f"{who} {verb} {move.done}: {reason}")
    else:
        messages.info(request, f"Nobody had to be {move.done}.")
    if len(people) == 1:
        return HttpResponseRedirect(reverse("admin:people_person_change", args=[people[0].pk]))
    return HttpResponseRedirect(request.get_full_path())
