"""Issues in the admin: what is open, who it may be, and a person's word on it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import RecordIssue, RecordLink, SyncRun
from integrations.overview import count_open_issues
from people.models import Person
from tests.integrations.admin.pages import messages_of, text_of
from tests.makers import make_integration, make_issue, make_person, make_run

pytestmark = pytest.mark.django_db
LIST = "/admin/integrations/recordissue/"


@pytest.fixture
def run() -> SyncRun:
    return make_run(make_integration(state="active"))


@pytest.fixture
def candidates() -> list[Person]:
    return [make_person(employee_id="7"), make_person(employee_id="12")]


@pytest.fixture
def issue(run: SyncRun, candidates: list[Person]) -> RecordIssue:
    return make_issue(
        run, code="possible_rehire", external_id="900", candidates=[one.pk for one in candidates]
    )


def test_the_page_shows_the_record_beside_the_people_it_may_be(
    admin_page: Client, issue: RecordIssue, candidates: list[Person]
) -> None:
    page = text_of(admin_page.get(f"{LIST}{issue.pk}/change/"))

    assert issue.reason in page
    for person in candidates:
        assert person.email in page
    assert page.count("Same person") == 2
    assert "Another person" in page


def test_same_person_is_kept_for_later_syncs(
    admin_page: Client, issue: RecordIssue, candidates: list[Person]
) -> None:
    """M-3, M-4."""
    answer = admin_page.post(
        f"{LIST}{issue.pk}/settle/",
        {"decision": "same_person", "person": str(candidates[1].pk)},
    )

    issue.refresh_from_db()
    link = RecordLink.objects.get(external_id="900")
    assert (link.decision, link.person, link.decided_by) == (
        "same_person",
        candidates[1],
        "it-admin",
    )
    assert (issue.settled_as, issue.settled_by) == ("same_person", "it-admin")
    assert "is settled" in messages_of(admin_page, answer)[0]


def test_another_person_is_kept_for_later_syncs(admin_page: Client, issue: RecordIssue) -> None:
    """M-3, M-4."""
    for person in Person.objects.all():
        Person.objects.filter(pk=person.pk).update(status=Person.Status.DEACTIVATED)

    admin_page.post(f"{LIST}{issue.pk}/settle/", {"decision": "another_person"})

    issue.refresh_from_db()
    assert RecordLink.objects.get(external_id="900").decision == "another_person"
    assert issue.settled_as == "another_person"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"decision": "same_person"},
        {"decision": "same_person", "person": "abc"},
        {"decision": "same_person", "person": "99999999999999999999999"},
        {"decision": "nonsense"},
    ],
)
def test_a_word_that_means_nothing_changes_nothing(
    admin_page: Client, issue: RecordIssue, given: dict[str, str]
) -> None:
    answer = admin_page.post(f"{LIST}{issue.pk}/settle/", given)

    assert answer.status_code == 302
    assert messages_of(admin_page, answer)
    issue.refresh_from_db()
    assert issue.settled_at is None


def test_only_one_of_the_shown_people_can_be_chosen(admin_page: Client, issue: RecordIssue) -> None:
    stranger = make_person()

    answer = admin_page.post(
        f"{LIST}{issue.pk}/settle/", {"decision": "same_person", "person": str(stranger.pk)}
    )

    assert "one of the people that are shown" in messages_of(admin_page, answer)[0]
    assert not RecordLink.objects.exists()


def test_an_issue_is_settled_once(
    admin_page: Client, issue: RecordIssue, candidates: list[Person]
) -> None:
    given = {"decision": "same_person", "person": str(candidates[0].pk)}
    admin_page.post(f"{LIST}{issue.pk}/settle/", given)

    again = admin_page.post(
        f"{LIST}{issue.pk}/settle/", {"decision": "same_person", "person": str(candidates[1].pk)}
    )

    assert "settled already" in " ".join(messages_of(admin_page, again))
    assert RecordLink.objects.get().person == candidates[0]
    assert "Same person as" not in text_of(admin_page.get(f"{LIST}{issue.pk}/change/"))


def test_the_list_begins_with_the_open_issues_of_each_latest_run(
    admin_page: Client, run: SyncRun
) -> None:
    make_issue(run, key="old@example.com")
    newer = make_run(run.integration)  # type: ignore[arg-type]
    make_issue(newer, key="new@example.com")
    make_issue(newer, key="warning@example.com", severity="warning")
    make_run(run.integration, state="failed")  # type: ignore[arg-type]
    make_run(run.integration, person="only@example.com")  # type: ignore[arg-type]

    page = text_of(admin_page.get(LIST))
    every = text_of(admin_page.get(f"{LIST}?standing=all"))

    assert "new@example.com" in page
    assert "old@example.com" not in page
    assert "old@example.com" in every
    assert count_open_issues(most=100) == 1


def test_issues_are_filtered_and_searched(admin_page: Client, run: SyncRun) -> None:
    make_issue(run, key="ann@example.com", code="look_alike")
    make_issue(run, key="bob@example.com", severity="warning", code="other")

    def keys(query: str) -> set[str]:
        shown = admin_page.get(f"{LIST}?{query}").context["cl"].result_list
        return {row.key for row in shown}

    assert keys("code=look_alike") == {"ann@example.com"}
    assert keys("severity__exact=warning") == {"bob@example.com"}
    assert keys("q=bob") == {"bob@example.com"}
    assert keys("q=nobody") == set()
    assert keys(f"of={run.integration_id}") == {"ann@example.com", "bob@example.com"}
    assert keys("of=abc") == set()


def test_an_auditor_reads_issues_and_settles_none(
    open_as: Any, auditor: User, issue: RecordIssue, candidates: list[Person]
) -> None:
    """M-36, S-09."""
    client = open_as(auditor)

    page = client.get(f"{LIST}{issue.pk}/change/")
    posted = client.post(
        f"{LIST}{issue.pk}/settle/", {"decision": "same_person", "person": str(candidates[0].pk)}
    )

    assert page.status_code == 200
    assert "Same person" not in text_of(page)
    assert posted.status_code == 403
    assert not RecordLink.objects.exists()


def test_hr_viewers_see_no_issue(open_as: Any, hr_viewer: User, issue: RecordIssue) -> None:
    """M-36."""
    client = open_as(hr_viewer)

    for page in (LIST, f"{LIST}{issue.pk}/change/", f"{LIST}{issue.pk}/settle/"):
        assert client.get(page).status_code in {403, 405}
        assert client.post(page).status_code == 403


def test_settling_takes_post_only(admin_page: Client, issue: RecordIssue) -> None:
    """S-16."""
    assert admin_page.get(f"{LIST}{issue.pk}/settle/").status_code == 405


def test_the_list_asks_as_much_for_many_issues_as_for_one(
    admin_page: Client, run: SyncRun, django_assert_num_queries: Any
) -> None:
    RecordIssue.objects.bulk_create(
        RecordIssue(run=run, key=f"{n}@x.example", code="x", reason="x") for n in range(200)
    )
    admin_page.get(LIST)

    with django_assert_num_queries(11):
        admin_page.get(LIST)
