"""E-mails, usernames and unique values that two records bring: nobody gets them by a guess."""

from __future__ import annotations

import pytest

from integrations.models import SyncRun
from people.models import CustomField, Person
from tests.integrations.bad_input.world import World, issues_of, mend
from tests.makers import make_custom_field, make_mapping

# Four of the sandbox's people, by their ids at BambooHR; none of them manages another one.
ANN, BEN, CLO, DAN = "24", "26", "28", "29"


def person(world: World, external_id: str) -> Person:
    return Person.objects.get(record_links__external_id=external_id)


def email_of(world: World, external_id: str) -> str:
    employees = world.sandbox.state["bamboohr"].kept()["employees"]
    return next(str(one["work_email"]) for one in employees if one["id"] == external_id)


def about(run: SyncRun) -> set[str]:
    return {issue.external_id for issue in issues_of(run)}


@pytest.fixture
def world(bamboohr: World) -> World:
    """BambooHR, synced once."""
    mend(bamboohr)
    assert bamboohr.sync().state == "done"
    return bamboohr


def test_two_known_people_who_are_given_one_new_email_both_keep_their_own(world: World) -> None:
    """M-3: an issue on each; the rest of the run is applied, and mending one of them mends all."""
    before = {one: person(world, one).email for one in (ANN, BEN)}
    world.change(ANN, workEmail="team@acme.example")
    world.change(BEN, workEmail="team@acme.example")
    world.change(CLO, city="Oslo", firstName="Chloe")

    run = world.sync()
    kept = {one: person(world, one).email for one in (ANN, BEN)}
    world.change(BEN, workEmail=before[BEN])
    mended = world.sync()

    assert (run.state, run.error_code) == ("partial", "")
    assert about(run) == {ANN, BEN}
    assert kept == before
    assert person(world, CLO).first_name == "Chloe"
    assert mended.state == "done"
    assert person(world, ANN).email == "team@acme.example"


def test_an_email_that_its_holder_cannot_give_up_after_all_is_given_to_nobody(
    world: World,
) -> None:
    """M-3, F-37: Ann's goes to Ben, Ann would get Clo's, but Clo keeps hers: neither moves."""
    emails = {one: email_of(world, one) for one in (ANN, BEN, CLO)}
    world.change(BEN, workEmail=emails[ANN])
    world.change(ANN, workEmail=emails[CLO])

    run = world.sync()
    kept = {one: person(world, one).email for one in (ANN, BEN, CLO)}
    world.change(CLO, workEmail="clo@acme.example")
    mended = world.sync()

    assert (run.state, run.error_code) == ("partial", "")
    assert about(run) >= {ANN, BEN}
    assert kept == emails
    assert mended.state == "done"
    assert person(world, BEN).email == emails[ANN]
    assert person(world, ANN).email == emails[CLO]
    assert not Person.objects.filter(email_key=None).exists()


def test_a_ring_of_three_people_who_pass_their_emails_on_is_applied(world: World) -> None:
    """F-37: nobody is stuck in a ring."""
    ring = {ANN: BEN, BEN: CLO, CLO: ANN}
    emails = {one: email_of(world, one) for one in ring}
    for one, other in ring.items():
        world.change(one, workEmail=emails[other])

    run = world.sync()

    assert run.state == "done"
    assert {one: person(world, one).email for one in ring} == {
        one: emails[other] for one, other in ring.items()
    }


def test_a_new_record_and_a_known_person_who_bring_one_email_do_not_end_the_run(
    world: World,
) -> None:
    """M-3: whoever is left out has an issue, and nobody loses an e-mail."""
    world.change(ANN, workEmail="team@acme.example")
    world.add(firstName="New", lastName="Comer", workEmail="team@acme.example")

    run = world.sync()

    assert (run.state, run.error_code) == ("partial", "")
    assert run.counts["issues"] >= 1
    assert Person.objects.filter(email="team@acme.example").count() <= 1
    assert not Person.objects.filter(email_key=None).exists()


def test_two_people_with_one_value_in_a_unique_field_are_issues_and_the_others_are_applied(
    bamboohr: World,
) -> None:
    """F-33: the rule stands in the database; a record that breaks it does not end the run."""
    mend(bamboohr)
    make_custom_field("Desk", key="desk", object=CustomField.Object.PERSON, unique=True)
    make_mapping(bamboohr.integration, source="mobile_phone", target="desk")
    numbers = {one: f"+1 555 {one}" for one in map(str, range(1, 31))}
    for one, number in {**numbers, ANN: "+1 555 77", BEN: "+1 555 77"}.items():
        bamboohr.change(one, mobilePhone=number)

    run = bamboohr.sync()
    bamboohr.change(BEN, mobilePhone="+1 555 78")
    mended = bamboohr.sync()

    assert (run.state, run.error_code) == ("partial", "")
    assert about(run) == {ANN, BEN}
    assert all("+1 555 77" in issue.reason for issue in issues_of(run))
    assert run.counts["people"]["created"] == run.counts["seen"] - 2
    assert mended.state == "done"
    assert Person.objects.count() == mended.counts["seen"]


def test_a_unique_value_that_somebody_else_holds_is_an_issue_until_it_is_given_up(
    bamboohr: World,
) -> None:
    """F-33: and two people who swap their values in one listing are no issue."""
    mend(bamboohr)
    make_custom_field("Desk", key="desk", object=CustomField.Object.PERSON, unique=True)
    make_mapping(bamboohr.integration, source="mobile_phone", target="desk")
    for one in map(str, range(1, 31)):
        bamboohr.change(one, mobilePhone=f"+1 555 {one}")
    bamboohr.sync()

    bamboohr.change(ANN, mobilePhone=f"+1 555 {BEN}")
    taken = bamboohr.sync()
    bamboohr.change(BEN, mobilePhone=f"+1 555 {ANN}")
    swapped = bamboohr.sync()

    assert (taken.state, taken.error_code) == ("partial", "")
    assert about(taken) == {ANN}
    assert swapped.state == "done"
    assert person(bamboohr, ANN).custom["desk"] == f"+1 555 {BEN}"
    assert person(bamboohr, BEN).custom["desk"] == f"+1 555 {ANN}"


def test_a_record_that_comes_back_unchanged_undoes_what_another_one_wrote(aha: World) -> None:
    """M-7: found by hostile answers; a person has two records, of which one is listed at a time."""
    mend(aha)
    aha.sync()
    side = aha.sandbox.state["aha"]
    as_it_was = side.kept()
    one = as_it_was["users"][4]
    known = person(aha, one["id"])
    aha.delete(one["id"])
    aha.add(id="4711", email=one["email"], first_name="Somebody", last_name=one["last_name"])

    taken_over = aha.sync()
    meanwhile = Person.objects.get(pk=known.pk).first_name
    side.keep(as_it_was)
    back = aha.sync()

    assert (taken_over.state, meanwhile) == ("done", "Somebody")
    assert back.state == "done"
    assert Person.objects.get(pk=known.pk).first_name == known.first_name
