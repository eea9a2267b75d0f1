"""Issues that a person settles, and syncs that respect it (M-3, M-4)."""

from __future__ import annotations

import pytest

from integrations.errors import CannotSettle
from integrations.models import RecordIssue, RecordLink, SyncRun
from integrations.settle import settle_issue
from people.models import Event, Person
from saas.models import SaaSUser
from tests.makers import make_person

from .worlds import World, emails, issues, links, person, removals, sync


def issue_of(run: SyncRun, external_id: str) -> RecordIssue:
    return run.issues.get(external_id=external_id, severity="issue")


def held_rehire(world: World, *, left: bool) -> tuple[str, SyncRun]:
    """Ann was E-1 and is gone; a record of her e-mail with E-2 is held. Its id, and the run."""
    old = world.employ("Ann", employeeNumber="E-1")
    world.employ("Bob")
    integration = world.integration("bamboohr", name="BambooHR")
    sync(integration)
    if left:
        Person.objects.filter(email="ann@acme.example").update(status="deactivated")
    world.bamboohr.remove(old)
    new = world.employ("Ann", employeeNumber="E-2", jobTitle="Head", lastName="New")
    run = sync(integration)
    assert issues(run) == [(new, "possible_rehire")]
    return new, run


def test_same_person_brings_the_record_to_the_person_for_good(world: World) -> None:
    """M-4: a re-hire under a new employee id."""
    new, run = held_rehire(world, left=True)
    ann = person("ann@acme.example")

    settle_issue(issue_of(run, new), decision="same_person", by="admin", person_id=ann.pk)
    first = sync(run.integration)
    second = sync(run.integration)

    ann.refresh_from_db()
    assert (issues(first), issues(second)) == ([], [])
    assert (ann.status, ann.employee_id, ann.title) == ("active", "E-2", "Head")
    assert emails() == ["ann@acme.example", "bob@acme.example"]
    assert links()[new] == "ann@acme.example"
    assert second.counts["people"]["updated"] == 0
    assert removals(second) == []


def test_another_person_makes_one_and_leaves_the_one_who_left(world: World) -> None:
    """M-4: the e-mail goes to the newcomer, with an event that keeps who had it."""
    new, run = held_rehire(world, left=True)
    ann = person("ann@acme.example")

    settle_issue(issue_of(run, new), decision="another_person", by="admin")
    first = sync(run.integration)
    second = sync(run.integration)

    ann.refresh_from_db()
    newcomer = person("ann@acme.example")
    assert (issues(first), issues(second)) == ([], [])
    assert newcomer.pk != ann.pk
    assert (newcomer.last_name, newcomer.employee_id) == ("New", "E-2")
    assert (ann.status, ann.email, ann.employee_id) == ("deactivated", "", "E-1")
    event = Event.objects.get(object="person", object_id=ann.pk, source="admin")
    assert event.changes["email"] == ["ann@acme.example", None]
    assert event.actor == "admin"
    assert second.counts["people"] | {"created": 0, "updated": 0} == second.counts["people"]


def test_another_person_is_refused_while_somebody_active_has_the_email(world: World) -> None:
    """M-2: two people cannot share one; nobody who is active loses it."""
    new, run = held_rehire(world, left=False)

    with pytest.raises(CannotSettle, match="active"):
        settle_issue(issue_of(run, new), decision="another_person", by="admin")

    assert person("ann@acme.example").employee_id == "E-1"
    assert not RecordLink.objects.filter(external_id=new).exists()
    assert issues(sync(run.integration)) == [(new, "possible_rehire")]


def test_a_record_beside_one_that_is_still_listed_can_be_the_same_person(world: World) -> None:
    """M-4: an issue until a person says so; then both records are theirs."""
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    new = world.employ("Ann", employeeNumber="E-2", jobTitle="Head")
    run = sync(integration)
    ann = person("ann@acme.example")

    settle_issue(issue_of(run, new), decision="same_person", by="admin", person_id=ann.pk)
    first = sync(integration)
    second = sync(integration)

    assert (issues(first), issues(second)) == ([], [])
    assert links() == {old: "ann@acme.example", new: "ann@acme.example"}
    assert second.counts["people"]["updated"] == 0


def test_of_two_people_who_match_one_is_chosen(world: World) -> None:
    """M-3."""
    twins = [
        make_person(email=f"twin{number}@acme.example", employee_id="E-77") for number in (1, 2)
    ]
    ann = world.employ("Ann", employeeNumber="E-77")
    integration = world.integration("bamboohr")
    run = sync(integration)
    issue = issue_of(run, ann)
    assert sorted(issue.candidates) == [twin.pk for twin in twins]

    settle_issue(issue, decision="same_person", by="admin", person_id=twins[1].pk)
    first = sync(integration)

    assert issues(first) == []
    assert emails() == ["ann@acme.example", "twin1@acme.example"]


def test_of_two_people_who_match_neither_can_be_chosen(world: World) -> None:
    """M-3: the record is a third person."""
    for number in (1, 2):
        make_person(email=f"twin{number}@acme.example", employee_id="E-77")
    ann = world.employ("Ann", employeeNumber="E-77")
    integration = world.integration("bamboohr")
    run = sync(integration)

    settle_issue(issue_of(run, ann), decision="another_person", by="admin")
    first, second = sync(integration), sync(integration)

    assert (issues(first), issues(second)) == ([], [])
    assert emails() == ["ann@acme.example", "twin1@acme.example", "twin2@acme.example"]
    assert links() == {ann: "ann@acme.example"}


def test_a_look_alike_can_be_another_person(world: World) -> None:
    """M-2: checked by somebody who can see the difference."""
    make_person(email="ann@acme.example")
    cyrillic = world.employ("Аня", workEmail="аnn@acme.example")
    integration = world.integration("bamboohr")
    run = sync(integration)

    settle_issue(issue_of(run, cyrillic), decision="another_person", by="admin")
    first, second = sync(integration), sync(integration)

    assert (issues(first), issues(second)) == ([], [])
    assert emails() == ["ann@acme.example", "аnn@acme.example"]


def test_two_accounts_with_one_email_can_both_be_the_same_person(world: World) -> None:
    """M-2, M-3: each is settled on its own."""
    ann = make_person(email="ann@acme.example")
    first = world.open_account("Ann")
    second = world.open_account("Ann", last_name="Second")
    integration = world.integration("aha")
    run = sync(integration)

    for one in (first, second):
        settle_issue(issue_of(run, one), decision="same_person", by="admin", person_id=ann.pk)
    settled = sync(integration)
    again = sync(integration)

    assert (issues(settled), issues(again)) == ([], [])
    found = SaaSUser.objects.filter(external_id__in=[first, second])
    assert {user.person_id for user in found} == {ann.pk}
    assert again.counts["people"]["updated"] == 0


def test_the_email_of_somebody_who_left_can_go_to_another_account(world: World) -> None:
    """M-4: "e-mail used again"."""
    old = world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)
    Person.objects.filter(email="ann@acme.example").update(status="deactivated")
    world.aha.remove(old)
    new = world.open_account("Ann", last_name="Other")
    run = sync(integration)

    settle_issue(issue_of(run, new), decision="another_person", by="admin")
    settled = sync(integration)

    assert issues(settled) == []
    assert SaaSUser.objects.get(external_id=new).person == person("ann@acme.example")
    assert person("ann@acme.example").full_name == "Ann Other"


def test_what_was_settled_is_noted_on_every_issue_of_the_record(world: World) -> None:
    new, run = held_rehire(world, left=True)
    ann = person("ann@acme.example")
    later = sync(run.integration)

    settle_issue(issue_of(later, new), decision="same_person", by="admin", person_id=ann.pk)

    for one in (issue_of(run, new), issue_of(later, new)):
        assert (one.settled_as, one.settled_by) == ("same_person", "admin")
        assert one.settled_at is not None
    link = RecordLink.objects.get(external_id=new)
    assert (link.decision, link.decided_by, link.person_id) == ("same_person", "admin", ann.pk)


def test_an_issue_is_settled_once(world: World) -> None:
    new, run = held_rehire(world, left=True)
    ann = person("ann@acme.example")
    settle_issue(issue_of(run, new), decision="same_person", by="admin", person_id=ann.pk)

    with pytest.raises(CannotSettle, match="settled already"):
        settle_issue(issue_of(run, new), decision="another_person", by="admin")


def test_a_link_is_never_moved_by_settling(world: World) -> None:
    """M-4: links are never moved silently."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    bob = make_person(email="bob@acme.example")
    world.bamboohr.change(ann, workEmail="bob@acme.example")
    run = sync(integration)

    with pytest.raises(CannotSettle, match="already stands for"):
        settle_issue(issue_of(run, ann), decision="same_person", by="admin", person_id=bob.pk)

    assert links() == {ann: "ann@acme.example"}


def test_an_issue_that_is_not_about_who_it_is_cannot_be_settled(world: World) -> None:
    ann = world.employ("Ann", jobTitle="x" * 5000)
    run = sync(world.integration("bamboohr"))

    with pytest.raises(CannotSettle):
        settle_issue(issue_of(run, ann), decision="another_person", by="admin")
