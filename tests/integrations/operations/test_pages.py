"""Configuration > Operations: the list, one call, a person's word, and who sees what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.models import Operation
from tests.integrations.admin.pages import text_of
from tests.makers import make_application, make_operation, make_person, make_saas_user

LIST = "/admin/integrations/operation/"


def page_of(row: Operation) -> str:
    return f"{LIST}{row.pk}/change/"


def say(client: Client, row: Operation, word: str, **more: str) -> Any:
    return client.post(f"{LIST}{row.pk}/settle/", {"say": word, **more}, follow=True)


def test_an_empty_list_says_where_calls_come_from(admin_page: Client) -> None:
    assert "No call that changes something was sent" in text_of(admin_page.get(LIST))


def test_what_asks_and_what_is_unknown_come_first(admin_page: Client) -> None:
    """And the side bar counts them."""
    states = ["unknown", "asks", "done", "refused", "planned"]
    rows = {state: make_operation(state=state, record=f"{state}@acme.example") for state in states}

    page = admin_page.get(LIST)

    shown = [row.pk for row in page.context["cl"].result_list]
    assert shown[:3] == [rows["asks"].pk, rows["unknown"].pk, rows["planned"].pk]
    items = [item for part in page.context["sidebar_navigation"] for item in part["items"]]
    assert [item["badge"] for item in items if item["title"] == "Operations"] == ["2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state__exact=done", 2),
        ("vendor=bamboohr", 1),
        ("preset=betterworks.create_user", 1),
        ("q=boss@", 1),
        ("application={}", 2),
        ("application=none", 0),
    ],
)
def test_the_list_can_be_filtered_and_searched(admin_page: Client, query: str, found: int) -> None:
    application = make_application()
    make_operation(record="boss@acme.example")
    make_operation(state="unknown")
    make_operation(vendor="bamboohr", preset="betterworks.create_user")

    page = admin_page.get(f"{LIST}?{query.format(application.pk)}")

    assert len(page.context["cl"].result_list) == found


def test_the_list_asks_as_much_for_many_as_for_few(
    admin_page: Client, django_assert_max_num_queries: Any
) -> None:
    first = make_operation(state="asks")
    for _number in range(30):
        make_operation(state="planned", waits_for=first)
    admin_page.get(LIST)

    with django_assert_max_num_queries(11):
        admin_page.get(LIST)


def test_a_call_shows_what_was_sent_when_and_what_came_back(admin_page: Client) -> None:
    """S-21."""
    row = make_operation(answer={"user": {"enabled": False}}, values={"aha_id": "77"}, tries=2)

    text = text_of(admin_page.get(page_of(row)))

    for part in ("Asked for by maker", "2 times in all", '"enabled": false', '"aha_id": "77"'):
        assert part in text


@pytest.mark.parametrize("vendor", ["betterworks", "aha"])
def test_s_21_a_call_shows_the_names_by_which_the_vendor_finds_its_tries(
    admin_page: Client, vendor: str
) -> None:
    """Each try has its own, where the vendor takes such names."""
    row = make_operation(vendor=vendor, tries=2)

    text = text_of(admin_page.get(page_of(row)))

    shown = [row.request_id(number) in text for number in (1, 2, 3)]
    assert shown == ([True, True, False] if vendor == "betterworks" else [False] * 3)


def test_auditors_see_calls_without_what_was_sent(
    auditor: User, open_as: Callable[[User], Client]
) -> None:
    """M-36: no payload, no word to say."""
    row = make_operation(state="asks", answer={"x": "canary-answer"}, values={"y": "canary-value"})
    client = open_as(auditor)

    html = client.get(page_of(row)).content.decode()

    assert "canary" not in html
    assert "enabled" not in html
    assert "Settle as" not in html
    assert say(client, row, "done", confirmed="1").status_code == 403


def test_nobody_from_hr_sees_calls(hr_viewer: User, open_as: Callable[[User], Client]) -> None:
    """M-36: neither the page, nor the tab of a person, nor the part of an account's page."""
    person = make_person()
    user = make_saas_user(make_application(), person=person)
    row = make_operation(person_id=person.pk, saas_user_id=user.pk)
    client = open_as(hr_viewer)

    assert client.get(page_of(row)).status_code == 403
    assert client.get(f"/admin/people/person/{person.pk}/operations/").status_code == 403
    assert row.preset not in client.get(f"/admin/saas/saasuser/{user.pk}/change/").content.decode()


def test_calls_are_shown_on_the_pages_of_whom_they_are_about(
    admin_page: Client, django_assert_max_num_queries: Any
) -> None:
    person = make_person()
    user = make_saas_user(make_application(), person=person)
    for _number in range(5):
        make_operation(person_id=person.pk, saas_user_id=user.pk)
    make_operation(preset="aha.other")

    with django_assert_max_num_queries(13):
        tab = text_of(admin_page.get(f"/admin/people/person/{person.pk}/operations/"))
    account = text_of(admin_page.get(f"/admin/saas/saasuser/{user.pk}/change/"))

    assert tab.count("aha.deactivate_user") == account.count("aha.deactivate_user") == 5
    assert "aha.other" not in tab + account


@pytest.mark.parametrize(("word", "state"), [("done", "done"), ("not_done", "refused")])
def test_an_admin_settles_a_call_after_being_asked_once_more(
    admin_page: Client, it_admin: User, word: str, state: str
) -> None:
    row = make_operation(state="asks")

    asked = text_of(say(admin_page, row, word))
    row.refresh_from_db()
    assert "You have looked at the vendor" in asked
    assert row.state == "asks"
    said = text_of(say(admin_page, row, word, confirmed="1"))

    row.refresh_from_db()
    assert (row.state, row.resolved_by) == (state, it_admin)
    assert "is settled as" in said
    assert LogEntry.objects.get().object_id == str(row.pk)


def test_an_admin_tries_a_call_again(admin_page: Client) -> None:
    row = make_operation(state="asks")

    asked = text_of(say(admin_page, row, "again"))
    say(admin_page, row, "again", confirmed="1")

    again = Operation.objects.get(retry=1)
    assert "may do it twice" in asked
    assert (again.state, again.started_by, again.request) == ("planned", "it-admin", row.request)


def test_a_call_that_ended_meanwhile_is_left_with_a_sentence(admin_page: Client) -> None:
    row = make_operation()

    said = text_of(say(admin_page, row, "not_done", confirmed="1"))

    row.refresh_from_db()
    assert row.state == "done"
    assert "not open any more" in said


def test_nobody_changes_or_deletes_a_call(client: Client, db: None) -> None:
    """S-20: not even a superuser, by any route."""
    root = User.objects.create_superuser("root", "root@example.com", "x")
    client.force_login(root)
    row = make_operation(state="asks")

    answers = [
        client.post(page_of(row), {"state": "done"}).status_code,
        client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code,
        client.post(f"{LIST}add/", {}).status_code,
        client.get(f"{LIST}{row.pk}/settle/").status_code,
        client.post(f"{LIST}{row.pk}/settle/", {"say": "delete"}).status_code,
    ]
    client.post(LIST, {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"})

    row.refresh_from_db()
    assert row.state == "asks"
    assert answers[1:] == [403, 403, 405, 403]


def test_a_secret_that_came_into_an_answer_is_masked(admin_page: Client) -> None:
    from people.masking import register_secret

    register_secret("canary-in-the-answer")
    row = make_operation(answer={"echo": "canary-in-the-answer"})

    assert "canary-in-the-answer" not in admin_page.get(page_of(row)).content.decode()


def test_a_page_says_what_a_call_waits_for(admin_page: Client) -> None:
    first = make_operation(state="asks")
    row = make_operation(state="planned", waits_for=first, due_at=timezone.now())

    assert f"Waits for operation {first.pk}" in text_of(admin_page.get(page_of(row)))
