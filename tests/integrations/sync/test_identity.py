"""Who a listed record is: by link, else by sync key, never by a guess (M-1 to M-4)."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from integrations import services
from integrations.errors import NotReady
from integrations.models import LinkState, RecordLink
from people.models import Event, Person
from saas.models import Application, SaaSUser
from tests.makers import make_custom_field, make_person

from .worlds import (
    ACCOUNTS,
    AHA_OWNER,
    EMPLOYEES,
    World,
    account,
    emails,
    events_of,
    issues,
    links,
    person,
    removals,
    run_sync,
    sync,
    tables,
    without,
)


def test_a_record_is_known_again_by_its_link_before_any_sync_key(world: World) -> None:
    """M-1: what the link says holds even where the e-mail now names somebody else."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    make_person(email="bob@acme.example", first_name="Bob")
    world.bamboohr.change(ann, workEmail="bob@acme.example", jobTitle="Head of Clerks")

    run = sync(integration)

    assert issues(run) == [(ann, "key_taken")]
    assert links()[ann] == "ann@acme.example"
    assert person("bob@acme.example").title == ""
    assert emails() == ["ann@acme.example", "bob@acme.example"]


def test_a_link_is_unique_for_vendor_account_and_id(world: World) -> None:
    """M-1."""
    RecordLink.objects.create(vendor="aha", tenant="acme", external_id="7")

    with pytest.raises(IntegrityError), transaction.atomic():
        RecordLink.objects.create(vendor="aha", tenant="acme", external_id="7")


def test_the_same_id_in_another_account_is_another_record(world: World) -> None:
    """M-1: a link of the account "other" says nothing about the account "acme"."""
    ann = world.employ("Ann")
    stranger = make_person(email="stranger@other.example")
    RecordLink.objects.create(vendor="bamboohr", tenant="other", external_id=ann, person=stranger)

    sync(world.integration("bamboohr"))

    assert emails() == ["ann@acme.example", "stranger@other.example"]
    assert RecordLink.objects.get(tenant="acme", external_id=ann).person == person(
        "ann@acme.example"
    )


def test_an_account_at_the_vendor_has_one_application_and_launch_refuses_a_second(
    world: World,
) -> None:
    """M-1."""
    world.integration("aha")
    second = Application.objects.create(name="Another Aha!")
    integration = world.integration("aha", launched=False, application=second)

    with pytest.raises(NotReady, match="already belongs"):
        services.launch(integration, by="admin", test=False)


def test_inputs_that_lead_to_another_account_fail_the_run_and_nobody_is_absent(
    world: World,
) -> None:
    """M-1."""
    world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)
    before = tables()
    integration.refresh_from_db()
    integration.inputs = {"subdomain": "umbrella"}
    integration.save()

    run = run_sync(integration)

    assert run.state == "failed"
    assert "umbrella" in run.error_message
    assert run.plan.count() == 0
    assert tables() == before


def test_absence_is_judged_per_integration(world: World) -> None:
    """M-1: a second integration misses only what it has itself seen."""
    ann = world.open_account("Ann")
    for name in ("Bob", "Cal", "Dan"):
        world.open_account(name)
    first, second = world.integration("aha"), world.integration("aha")
    sync(first)
    world.aha.remove(ann)

    of_second = sync(second)
    of_first = sync(first)

    assert removals(of_second) == []
    assert removals(of_first) == [("saas_user", "ann@acme.example")]


def test_another_revision_means_that_every_record_is_looked_at_again(world: World) -> None:
    """M-1: not the listing changed but what we do with it."""
    world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    Person.objects.update(title="Written past everything")
    unnoticed = sync(integration)
    services.look_again(integration)

    noticed = sync(integration)

    assert unnoticed.counts["people"]["unchanged"] == 1
    assert noticed.counts["people"]["updated"] == 1
    assert person("ann@acme.example").title == "Clerk"


def test_the_sync_time_is_shown_but_is_no_change(world: World) -> None:
    """M-1, AH-30: in no hash, plan or event."""
    make_custom_field("Last Seen", type="datetime")
    world.employ("Ann")
    integration = world.integration(
        "bamboohr",
        mappings=[*EMPLOYEES, {"source": "connector_sync_time", "target": "last_seen"}],
    )
    sync(integration)
    shown_first = person("ann@acme.example").custom["last_seen"]

    run = sync(integration)

    state = LinkState.objects.get(integration=integration)
    assert shown_first < person("ann@acme.example").custom["last_seen"] == state.seen_at.isoformat()
    assert run.counts["people"]["unchanged"] == 1
    assert run.plan.count() == 0
    assert not Event.objects.filter(run_id=run.pk).exists()


def test_people_are_matched_by_the_key_of_their_email_and_shown_as_given(world: World) -> None:
    """M-2: NFKC, strip, casefold, IDNA domain."""
    make_person(email="ann@bücher.example", username="ann")
    ann = world.employ("Ann", workEmail=" ＡＮＮ@xn--bcher-kva.example ")

    run = sync(world.integration("bamboohr"))

    assert run.counts["people"]["created"] == 0
    assert Person.objects.count() == 1
    assert links()[ann] == "ＡＮＮ@xn--bcher-kva.example"


def test_look_alike_letters_are_a_conflict_and_never_a_match(world: World) -> None:
    """M-2, F-32: a Cyrillic а."""
    make_person(email="ann@acme.example")
    ann = world.employ("Ann", workEmail="аnn@acme.example")

    run = sync(world.integration("bamboohr"))

    assert issues(run) == [(ann, "look_alike")]
    assert emails() == ["ann@acme.example"]


def test_two_new_records_that_look_alike_are_a_conflict_too(world: World) -> None:
    """M-2: the same when neither of them is known yet."""
    latin = world.employ("Ann", workEmail="ann@acme.example")
    cyrillic = world.employ("Ann", workEmail="аnn@acme.example")

    run = sync(world.integration("bamboohr"))

    assert issues(run) == [(cyrillic, "look_alike")]
    assert links() == {latin: "ann@acme.example"}


def test_accounts_with_one_email_each_become_a_saas_user_and_none_is_guessed(world: World) -> None:
    """M-2, M-3: SaaS users are unique by application and id only."""
    make_person(email="team@acme.example")
    first = world.open_account("Bot", email="team@acme.example")
    second = world.open_account("Import", email="Team@acme.example")

    run = sync(world.integration("aha"))

    assert issues(run) == [
        (first, "two_records_one_person"),
        (second, "two_records_one_person"),
    ]
    found = SaaSUser.objects.filter(external_id__in=[first, second])
    assert found.count() == 2
    assert not found.filter(person__isnull=False).exists()
    assert person("team@acme.example").full_name.startswith("Ann Example")


def test_a_sync_key_that_finds_two_people_is_an_issue_and_no_guess(world: World) -> None:
    """M-3, F-33: duplicates in our table."""
    for number in (1, 2):
        make_person(email=f"twin{number}@acme.example", employee_id="E-77")
    ann = world.employ("Ann", employeeNumber="E-77")
    integration = world.integration("bamboohr")
    before = tables()["people"]

    run = sync(integration)

    assert issues(run) == [(ann, "two_people_match")]
    assert tables()["people"] == before


def test_two_records_with_one_email_are_both_reported_and_neither_is_applied(world: World) -> None:
    """M-3, F-33: duplicates in the source, the e-mail of somebody who is known."""
    make_person(email="ann@acme.example", title="Baker")
    first = world.employ("Ann")
    second = world.employ("Ann", workEmail="ANN@acme.example")
    good = world.employ("Bob")

    run = sync(world.integration("bamboohr"))

    assert issues(run) == [
        (first, "two_records_one_person"),
        (second, "two_records_one_person"),
    ]
    assert person("ann@acme.example").title == "Baker"
    assert links()[good] == "bob@acme.example"
    assert removals(run) == []


def test_duplicates_on_different_pages_are_found(world: World) -> None:
    """F-33: pages of one user each."""
    first = world.open_account("Ann")
    world.open_account("Bob")
    second = world.open_account("Ann")
    integration = world.integration("aha", overrides={"loads.users.paging.page_size": 1})

    run = sync(integration)

    assert run.listing["pages"] >= 4
    assert sorted(dict(issues(run))) == sorted([first, second])
    assert emails() == ["bob@acme.example", AHA_OWNER]


def test_two_records_that_claim_one_person_by_different_keys_are_both_reported(
    world: World,
) -> None:
    """M-3: one by the e-mail, the other by the employee id."""
    make_person(email="ann@acme.example", employee_id="E-5", title="Baker")
    by_email = world.employ("Ann", employeeNumber="E-900")
    by_number = world.employ("Anna", employeeNumber="E-5")

    run = sync(world.integration("bamboohr"))

    assert sorted(dict(issues(run))) == sorted([by_email, by_number])
    assert person("ann@acme.example").title == "Baker"
    assert Person.objects.count() == 1


def test_the_sync_key_with_the_lowest_number_is_asked_first(world: World) -> None:
    """The e-mail is key 1 and the employee id key 2, of which each is another person's."""
    make_person(email="ann@acme.example", title="Baker")
    make_person(email="other@acme.example", employee_id="E-5", title="Smith")
    ann = world.employ("Ann", employeeNumber="E-5")

    run = sync(world.integration("bamboohr"))

    assert issues(run) == []
    assert links() == {ann: "ann@acme.example"}
    assert person("other@acme.example").title == "Smith"


def test_an_inactive_record_never_competes_with_an_active_one(world: World) -> None:
    """M-3: the old record of somebody who came back is still in the list."""
    world.employ("Ann", status="Inactive", jobTitle="Trainee")
    active = world.employ("Ann", jobTitle="Head of Clerks")

    run = sync(world.integration("bamboohr"))

    assert issues(run) == []
    assert links()[active] == "ann@acme.example"
    assert Person.objects.get().title == "Head of Clerks"
    assert Person.objects.get().status == "active"


def test_an_inactive_record_of_the_same_employee_id_makes_no_second_person(world: World) -> None:
    """M-3: under another e-mail, in the very first listing."""
    world.employ("Annie", status="Inactive", employeeNumber="E-1")
    active = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")

    first = sync(integration)
    second = sync(integration)

    assert (issues(first), issues(second)) == ([], [])
    assert links()[active] == "ann@acme.example"
    assert emails() == ["ann@acme.example"]


def test_of_two_records_that_are_one_person_by_hand_one_speaks(world: World) -> None:
    """M-18: both are listed as active with other values; the person is written once, for good."""
    old = world.employ("Ann", employeeNumber="C-1")
    integration = world.integration("bamboohr")
    sync(integration)
    new = world.employ("Anna", employeeNumber="E-1", jobTitle="Head of Clerks")
    RecordLink.objects.create(
        vendor="bamboohr",
        tenant="acme",
        external_id=new,
        person=person("ann@acme.example"),
        decision="same_person",
    )

    first = sync(integration)
    world.bamboohr.change_all({old: {"jobTitle": "Old"}, new: {"jobTitle": "New"}})
    second = sync(integration)
    third = sync(integration)

    assert Person.objects.count() == 1
    assert (first.counts["people"]["updated"], second.counts["people"]["updated"]) == (1, 1)
    assert third.counts["people"]["updated"] == 0
    assert Person.objects.get().title == "New"
    assert len(events_of(second)) == 1


# The eight cases of M-4 (F-35). Each ends in an exact number of people.


def test_case_1_the_same_id_and_email_is_an_update(world: World) -> None:
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head of Clerks")

    run = sync(integration)

    assert run.counts["people"] | {"created": 0, "updated": 1} == run.counts["people"]
    assert Person.objects.get().title == "Head of Clerks"


def test_case_2_the_same_id_with_a_new_email_is_an_update(world: World) -> None:
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, workEmail="ann.married@acme.example")

    run = sync(integration)

    assert run.counts["people"] | {"created": 0, "updated": 1} == run.counts["people"]
    assert emails() == ["ann.married@acme.example"]


def test_case_3_a_new_id_with_the_same_employee_id_is_the_same_person(world: World) -> None:
    """Re-hire; she had left, and is active again."""
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    Person.objects.update(status="deactivated")
    world.bamboohr.remove(old)
    new = world.employ("Ann", employeeNumber="E-1", jobTitle="Head of Clerks")

    run = sync(integration)

    assert (Person.objects.count(), issues(run)) == (1, [])
    assert run.counts["people"]["reactivated"] == 1
    ann = Person.objects.get()
    assert (ann.status, ann.title) == ("active", "Head of Clerks")
    assert links() == {old: "ann@acme.example", new: "ann@acme.example"}


def test_case_3_holds_when_the_employee_id_is_mapped_but_is_no_sync_key(world: World) -> None:
    """M-4: it is looked up wherever it is mapped and filled."""
    number = {"source": "employee_number", "target": "employee_id"}
    mappings = [*without(EMPLOYEES, "employee_id"), number]
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr", mappings=mappings)
    sync(integration)
    world.bamboohr.remove(old)
    new = world.employ("Ann", employeeNumber="E-1")

    run = sync(integration)

    assert (Person.objects.count(), issues(run)) == (1, [])
    assert links()[new] == "ann@acme.example"


def test_case_3_holds_when_the_old_record_is_still_listed_as_inactive(world: World) -> None:
    """M-3, M-4: inactive counts as no longer listed, and speaks no more for the person."""
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr", missing_people="deactivate")
    sync(integration)
    world.bamboohr.change(old, status="Inactive", terminationDate="2026-01-31", jobTitle="Gone")
    new = world.employ("Ann", employeeNumber="E-1", jobTitle="Head of Clerks")

    first = sync(integration)
    second = sync(integration)

    assert links()[new] == "ann@acme.example"
    for run in (first, second):
        assert (issues(run), removals(run)) == ([], [])
    assert second.counts["people"]["updated"] == 0
    ann = Person.objects.get()
    assert (ann.title, ann.deactivation_date) == ("Head of Clerks", None)


def test_case_4_another_employee_id_under_a_free_email_is_held(world: World) -> None:
    """The old record is gone: a possible re-hire, for a person to decide."""
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.remove(old)
    new = world.employ("Ann", employeeNumber="E-2", jobTitle="Head of Clerks")
    before = tables()["people"]

    run = sync(integration)

    assert issues(run) == [(new, "possible_rehire")]
    assert tables()["people"] == before
    assert new not in links()


def test_case_4_holds_when_the_old_record_is_listed_as_inactive(world: World) -> None:
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(old, status="Inactive")
    new = world.employ("Ann", employeeNumber="E-2")

    run = sync(integration)

    assert issues(run) == [(new, "possible_rehire")]
    assert Person.objects.count() == 1


def test_case_5_the_same_while_the_old_record_is_listed_is_an_issue(world: World) -> None:
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    new = world.employ("Ann", employeeNumber="E-2", jobTitle="Head of Clerks")
    before = tables()["people"]

    run = sync(integration)

    assert issues(run) == [(new, "claimed_by_other_record")]
    assert tables()["people"] == before
    assert links() == {old: "ann@acme.example"}


def test_case_5_holds_for_the_same_employee_id_under_two_listed_records(world: World) -> None:
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    new = world.employ("Anna", employeeNumber="E-1")
    before = tables()["people"]

    run = sync(integration)

    assert issues(run) == [(new, "claimed_by_other_record")]
    assert tables()["people"] == before
    assert links() == {old: "ann@acme.example"}


def test_case_6_a_new_id_and_email_with_the_same_employee_id_is_the_same_person(
    world: World,
) -> None:
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.remove(old)
    world.employ("Anna", employeeNumber="E-1")

    run = sync(integration)

    assert issues(run) == []
    assert emails() == ["anna@acme.example"]


def test_case_7_two_records_that_swap_emails_are_both_updated_by_link(world: World) -> None:
    """F-37."""
    ann, bob = world.employ("Ann"), world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change_all(
        {ann: {"workEmail": "bob@acme.example"}, bob: {"workEmail": "ann@acme.example"}}
    )

    run = sync(integration)

    assert (issues(run), removals(run), run.counts["people"]["created"]) == ([], [], 0)
    assert links() == {ann: "bob@acme.example", bob: "ann@acme.example"}
    assert person("bob@acme.example").first_name == "Ann"
    assert {kind["kind"] for kind in events_of(run).values()} == {"edit"}


def test_case_8_a_contractor_who_is_employed_is_linked_by_hand_for_good(world: World) -> None:
    """The second record, of another employee id, is linked by hand; later syncs respect it."""
    world.employ("Ann", employeeNumber="C-1")
    integration = world.integration("bamboohr")
    sync(integration)
    employee = world.bamboohr.add(
        **world.employee("Ann", workEmail="ann.example@acme.example", employeeNumber="E-1")
    )
    RecordLink.objects.create(
        vendor="bamboohr",
        tenant="acme",
        external_id=employee,
        person=person("ann@acme.example"),
        decision="same_person",
    )
    contractor = next(one for one in links() if one != employee)
    world.bamboohr.change(contractor, status="Inactive")

    first = sync(integration)
    second = sync(integration)

    assert (issues(first), issues(second)) == ([], [])
    assert (removals(first), removals(second)) == ([], [])
    assert emails() == ["ann.example@acme.example"]
    assert Person.objects.get().employee_id == "E-1"
    assert second.counts["people"]["updated"] == 0


# Records without an employee id.


def test_a_second_account_of_somebody_active_is_a_second_link(world: World) -> None:
    """M-4: the first is gone; it goes the way of absence."""
    old = world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)
    world.aha.remove(old)
    new = world.open_account("Ann")

    run = sync(integration)

    assert issues(run) == []
    assert links()[old] == links()[new] == "ann@acme.example"
    assert removals(run) == [("saas_user", "ann@acme.example")]
    assert SaaSUser.objects.get(external_id=new).person == person("ann@acme.example")


def test_the_email_of_somebody_who_left_is_not_given_to_another_account_silently(
    world: World,
) -> None:
    """M-4."""
    old = world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)
    Person.objects.filter(email="ann@acme.example").update(status="deactivated")
    world.aha.remove(old)
    new = world.open_account("Ann")

    run = sync(integration)

    assert issues(run) == [(new, "email_used_again")]
    assert SaaSUser.objects.get(external_id=new).person is None
    assert person("ann@acme.example").status == "deactivated"


def test_who_is_meant_is_not_judged_on_a_listing_that_broke(world: World) -> None:
    """M-4 with M-11: on half a listing nobody is known to be gone."""
    old = world.employ("Ann", employeeNumber="E-1")
    world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    new = world.employ("Anna", employeeNumber="E-1")
    world.bamboohr.remove(old)
    no_id = world.employ("Zoe")
    world.bamboohr.change(no_id, id=None)

    run = sync(integration)

    assert not run.listing["complete"]
    assert new not in links()
    assert emails() == ["ann@acme.example", "bob@acme.example"]


# Renames (F-37).


def test_a_chain_of_three_emails_moves_on(world: World) -> None:
    """F-37: each takes the next one's address, the last a new one."""
    ids = [world.employ(name) for name in ("Ann", "Bob", "Cal")]
    integration = world.integration("bamboohr")
    sync(integration)
    moved = ["bob@acme.example", "cal@acme.example", "dan@acme.example"]
    world.bamboohr.change_all(
        {one: {"workEmail": new} for one, new in zip(ids, moved, strict=True)}
    )

    run = sync(integration)

    assert (issues(run), removals(run)) == ([], [])
    assert run.counts["people"]["updated"] == 3
    assert run.counts["people"]["created"] == 0
    assert links() == dict(zip(ids, moved, strict=True))
    assert [person(email).first_name for email in moved] == ["Ann", "Bob", "Cal"]


def test_a_ring_of_three_emails_turns(world: World) -> None:
    """F-37."""
    ids = [world.employ(name) for name in ("Ann", "Bob", "Cal")]
    integration = world.integration("bamboohr")
    sync(integration)
    moved = ["bob@acme.example", "cal@acme.example", "ann@acme.example"]
    world.bamboohr.change_all(
        {one: {"workEmail": new} for one, new in zip(ids, moved, strict=True)}
    )

    run = sync(integration)

    assert (issues(run), run.counts["people"]["created"]) == ([], 0)
    assert links() == dict(zip(ids, moved, strict=True))


def test_a_new_record_may_take_the_email_that_another_gives_up(world: World) -> None:
    """F-37: a rename and a new person in one listing."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, workEmail="ann.married@acme.example")
    other = world.employ("Ann", lastName="Other")

    run = sync(integration)

    assert issues(run) == []
    assert links() == {ann: "ann.married@acme.example", other: "ann@acme.example"}
    assert person("ann@acme.example").last_name == "Other"


def test_a_renamed_record_and_a_new_one_with_the_same_email_are_not_mixed_up(world: World) -> None:
    """M-3: two records of one listing have one e-mail now; the link is not moved."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, workEmail="shared@acme.example")
    other = world.employ("Bob", workEmail="shared@acme.example")

    run = sync(integration)

    assert other in dict(issues(run))
    assert Person.objects.count() == 1
    assert links().get(other) is None
    assert Person.objects.get().first_name == "Ann"


def test_an_email_is_not_taken_from_somebody_who_cannot_give_it_up(world: World) -> None:
    """F-37, M-13: the holder's own new e-mail is contested, so nobody of the chain moves."""
    ids = [world.employ(name) for name in ("Ann", "Bob", "Cal", "Dan")]
    integration = world.integration("bamboohr")
    sync(integration)
    new = ["bob@acme.example", "cal@acme.example", "zoe@acme.example", "zoe@acme.example"]
    world.bamboohr.change_all({one: {"workEmail": to} for one, to in zip(ids, new, strict=True)})
    before = tables()["people"]

    preview = run_sync(integration, kind="preview")
    run = sync(integration)

    assert issues(preview) == issues(run)
    assert issues(run) == [
        (ids[0], "key_taken"),
        (ids[1], "key_taken"),
        (ids[2], "two_records_one_person"),
        (ids[3], "two_records_one_person"),
    ]
    assert tables()["people"] == before


def test_an_inactive_record_does_not_take_an_email_from_an_active_one(world: World) -> None:
    """M-3: a leaver's record is renamed to what a newcomer has."""
    old = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(old, status="Inactive", workEmail="bob@acme.example")
    new = world.employ("Bob")

    run = sync(integration)

    assert issues(run) == []
    assert links() == {old: "ann@acme.example", new: "bob@acme.example"}


def test_a_capital_letter_is_a_rename_without_a_conflict(world: World) -> None:
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, workEmail="Ann@ACME.example")

    run = sync(integration)

    assert (issues(run), run.counts["people"]["updated"]) == ([], 1)
    assert emails() == ["Ann@ACME.example"]


# People and accounts.


def test_a_unique_field_of_ours_can_be_the_sync_key(world: World) -> None:
    """MO-23: a value that no two people share."""
    make_custom_field("Badge", unique=True)
    mappings = [
        {"source": "employee_number", "target": "badge", "sync_key": 1},
        *({**row, "sync_key": None} for row in without(EMPLOYEES, "employee_id")),
    ]
    ann = world.employ("Ann", employeeNumber="B-1")
    integration = world.integration("bamboohr", mappings=mappings)
    sync(integration)
    world.bamboohr.remove(ann)
    RecordLink.objects.all().delete()
    again = world.employ("Anna", employeeNumber="b-1")

    run = sync(integration)

    assert issues(run) == []
    assert links()[again] == "anna@acme.example"
    assert Person.objects.count() == 1


def test_every_listed_account_gets_a_saas_user_and_keeps_it(world: World) -> None:
    """M-5: with no person where the match is not allowed."""
    make_person(email="ann@acme.example")
    world.open_account("Ann")
    world.open_account("Bob")
    integration = world.integration("aha", preference="update_only", mappings=ACCOUNTS)

    run = sync(integration)
    again = sync(integration)

    assert run.counts["saas_users"]["created"] == 3
    assert again.counts["saas_users"]["created"] == 0
    assert account("ann@acme.example").person == person("ann@acme.example")
    assert account("bob@acme.example").person is None
