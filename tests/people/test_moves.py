"""A selection by hand counts towards the limit of 24 hours, or is approved by name (M-15)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import Installation
from people import moves
from people.errors import TooMany
from people.models import Event, Person
from tests.integrations.admin.pages import text_of
from tests.makers import make_person

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 11, 20)
LIST = "/admin/people/person/"


@pytest.fixture
def people() -> list[int]:
    """Ten people, of whom three may go in 24 hours."""
    return [make_person().pk for _ in range(10)]


def deactivate(ids: list[int], **options: Any) -> moves.Moved:
    return moves.deactivate_people(ids, actor="it", reason="left", today=TODAY, **options)


def select(client: Client, ids: list[int], **more: str) -> Any:
    asked = {"action": "deactivate_selected", "_selected_action": ids, **more}
    return client.post(LIST, asked)


def archived() -> list[tuple[bool, str]]:
    """(guarded, approved by) of each deactivation."""
    return list(
        Event.objects.filter(kind="archive").order_by("pk").values_list("guarded", "approved_by")
    )


def test_a_selection_within_the_limit_is_counted(people: list[int]) -> None:
    deactivate(people[:3])

    assert archived() == [(True, "")] * 3


def test_over_the_limit_nobody_is_touched(people: list[int]) -> None:
    """F-26: all of them, not only the excess."""
    with pytest.raises(TooMany, match="Only 3 more"):
        deactivate(people[:4])

    assert Person.objects.filter(status="active").count() == 10


def test_several_small_selections_count_together(people: list[int]) -> None:
    """F-26: cumulative over 24 hours."""
    deactivate(people[:2])
    with pytest.raises(TooMany, match="Only 1 more"):
        deactivate(people[2:4])

    assert Person.objects.filter(status="deactivated").count() == 2


def test_one_person_by_name_is_not_counted(people: list[int]) -> None:
    for one in people[:6]:
        deactivate([one])

    assert archived() == [(False, "")] * 6


def test_who_is_approved_by_name_is_not_counted(people: list[int]) -> None:
    deactivate(people[:6], approved=True)
    deactivate(people[6:7] + people[:2])

    assert archived() == [(False, "it")] * 6 + [(False, "")]


def test_the_page_says_what_the_limit_still_allows(it_admin: User, people: list[int]) -> None:
    client = Client()
    client.force_login(it_admin)

    page = select(client, people[:2])
    done = select(client, people[:2], reason="Left")

    assert "3 more may be deactivated now, of 3 in 24 hours" in text_of(page)
    assert "to confirm" not in text_of(page)
    assert done.status_code == 302
    assert archived() == [(True, "")] * 2


def test_over_the_limit_the_number_is_typed_and_the_approver_stands_in_the_event(
    it_admin: User, people: list[int]
) -> None:
    client = Client()
    client.force_login(it_admin)

    page = select(client, people[:4])
    wrong = select(client, people[:4], reason="Left", typed="3")
    untouched = archived()
    select(client, people[:4], reason="Left", typed="4")

    assert "Type 4 to confirm" in text_of(page)
    assert "These are 4 people: type that number." in text_of(wrong)
    assert untouched == []
    assert archived() == [(False, "it-admin")] * 4


def test_the_limit_of_the_installation_is_the_one_that_counts(people: list[int]) -> None:
    the = Installation.the()
    Installation.objects.filter(pk=the.pk).update(removals_percent=0, removals_count=1)

    with pytest.raises(TooMany, match="Only 1 more"):
        deactivate(people[:2])
