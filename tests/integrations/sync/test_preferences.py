"""What the preference of an integration lets a sync do with people (M-5, MO-11, AH-20, AH-21)."""

from __future__ import annotations

import pytest

from integrations import services
from tests.makers import make_person

from .worlds import AHA_OWNER, World, account, emails, issues, person, skipped, sync


@pytest.mark.parametrize(
    ("preference", "created", "updated", "name"),
    [
        ("create_and_update", 2, 1, "Ann Example"),
        ("create_only", 2, 0, "Ann of old"),
        ("update_only", 0, 1, "Ann Example"),
    ],
)
def test_one_known_and_one_new_user(
    world: World, preference: str, created: int, updated: int, name: str
) -> None:
    """MO-11: new are Bob and the account that the key belongs to."""
    make_person(email="ann@acme.example", full_name="Ann of old")
    world.open_account("Ann")
    world.open_account("Bob")

    run = sync(world.integration("aha", preference=preference))

    counts = run.counts["people"]
    assert (counts["created"], counts["updated"]) == (created, updated)
    assert counts["skipped"] == 3 - created - updated
    assert person("ann@acme.example").full_name == name
    assert ("bob@acme.example" in emails()) == bool(created)


def test_update_only_creates_nobody_and_says_why(world: World) -> None:
    """AH-20, M-5: in the log with its reason, and no issue."""
    world.open_account("Bob")

    run = sync(world.integration("aha", preference="update_only"))

    assert emails() == []
    assert "Update only" in skipped(run)["bob@acme.example"]
    assert (issues(run), run.state) == ([], "done")


def test_whom_update_only_left_out_is_created_after_switching(world: World) -> None:
    """AH-21: although the vendor's records did not change."""
    world.open_account("Bob")
    integration = world.integration("aha", preference="update_only")
    sync(integration)
    integration.preference = "create_and_update"
    integration.save()
    services.look_again(integration)

    run = sync(integration)

    assert emails() == ["bob@acme.example", AHA_OWNER]
    assert run.counts["people"]["created"] == 2
    assert account("bob@acme.example").person == person("bob@acme.example")


def test_the_preference_governs_people_only(world: World) -> None:
    """M-5: SaaS users are created and updated whatever it says."""
    ann = world.open_account("Ann")
    integration = world.integration("aha", preference="create_only")
    sync(integration)
    world.aha.change(ann, first_name="Anna")

    run = sync(integration)

    assert account("ann@acme.example").name == "Anna Example"
    assert person("ann@acme.example").full_name == "Ann Example"
    assert run.counts["saas_users"]["updated"] == 1


def test_create_only_still_links_whom_it_finds(world: World) -> None:
    """M-5: the account belongs to a person who is known; the person is not written."""
    make_person(email="ann@acme.example", full_name="Ann of old")
    world.open_account("Ann")
    integration = world.integration("aha", preference="create_only")

    sync(integration)
    again = sync(integration)

    assert account("ann@acme.example").person == person("ann@acme.example")
    assert again.counts["saas_users"]["updated"] == 0
    assert person("ann@acme.example").full_name == "Ann of old"


def test_user_only_makes_no_saas_user(world: World) -> None:
    """AH-15, MO-07."""
    world.open_account("Ann")

    run = sync(world.integration("aha", user_selection="user_only"))

    assert emails() == ["ann@acme.example", AHA_OWNER]
    assert run.counts["saas_users"] == dict.fromkeys(run.counts["saas_users"], 0)


def test_user_plus_saas_user_makes_both_linked_to_each_other(world: World) -> None:
    """MO-08."""
    world.open_account("Ann")

    sync(world.integration("aha"))

    assert list(person("ann@acme.example").saas_users.all()) == [account("ann@acme.example")]


def test_an_account_finds_its_person_who_comes_later(world: World) -> None:
    """M-5: with `person` empty until a match is found."""
    world.open_account("Ann")
    integration = world.integration("aha", preference="update_only")
    sync(integration)
    make_person(email="ann@acme.example")

    sync(integration)

    assert account("ann@acme.example").person == person("ann@acme.example")
