"""Role rows of accounts: one rule, dated, and never more than there are (M-29, AH-46 to AH-48)."""

from __future__ import annotations

import orjson
from django.utils import timezone

from saas.models import SaaSUserRole

from .worlds import World, account, events_of, roles_now, sync

THREE = {"APP": "product_owner", "WEB": "product_owner", "MKT": "viewer"}


def test_a_role_in_each_of_three_projects_is_three_rows(world: World) -> None:
    """AH-46: with the project's name and id."""
    world.open_account("Ann", roles=THREE)

    run = sync(world.integration("aha"))

    rows = account("ann@acme.example").roles.order_by("rank")
    assert [(row.role, row.scope, row.scope_id) for row in rows] == [
        ("Owner", "Mobile App", "6776757454431870001"),
        ("Owner", "Web Platform", "6776757454431870002"),
        ("Viewer", "Märkte & Messen", "6776757454431870004"),
    ]
    assert run.counts["roles"] == {"added": 4, "ended": 0}  # the key's owner is an administrator


def test_the_same_role_twice_is_kept_twice(world: World) -> None:
    """AH-47: Owner of two projects."""
    world.open_account("Ann", roles={"APP": "product_owner", "WEB": "product_owner"})

    sync(world.integration("aha"))

    assert [role for role, _scope in roles_now(account("ann@acme.example"))] == ["Owner", "Owner"]


def test_a_second_run_does_not_multiply_rows(world: World) -> None:
    """AH-48: also when every record is looked at again."""
    ann = world.open_account("Ann", roles=THREE)
    integration = world.integration("aha")
    sync(integration)
    before = list(SaaSUserRole.objects.order_by("pk").values())

    nothing_new = sync(integration)
    world.aha.change(ann, first_name="Anna")
    renamed = sync(integration)

    assert list(SaaSUserRole.objects.order_by("pk").values()) == before
    assert nothing_new.counts["roles"] == renamed.counts["roles"] == {"added": 0, "ended": 0}


def test_a_role_that_is_lost_ends_and_stays_in_history(world: World) -> None:
    """AH-48, M-30."""
    ann = world.open_account("Ann", roles=THREE)
    integration = world.integration("aha")
    sync(integration)
    began = timezone.now()
    world.aha.change(ann, roles={"APP": "product_owner", "JP": "viewer"})

    run = sync(integration)

    known = account("ann@acme.example")
    assert roles_now(known) == [("Owner", "Mobile App"), ("Viewer", "製品計画")]
    ended = known.roles.filter(valid_to__isnull=False).order_by("rank")
    assert [row.scope for row in ended] == ["Web Platform", "Märkte & Messen"]
    assert all(row.valid_to and row.valid_from < began < row.valid_to for row in ended)
    assert run.counts["roles"] == {"added": 1, "ended": 2}
    old, new = events_of(run)["saas_user", ann]["changes"]["roles"]
    assert (len(old), len(new)) == (3, 2)


def test_a_role_that_comes_back_begins_a_new_row(world: World) -> None:
    """M-30: rows are intervals."""
    ann = world.open_account("Ann", roles={"APP": "viewer"})
    integration = world.integration("aha")
    for roles in ({"APP": "viewer"}, {}, {"APP": "viewer"}):
        world.aha.change(ann, roles=roles)
        sync(integration)

    rows = account("ann@acme.example").roles.filter(role="Viewer").order_by("pk")
    assert [row.valid_to is None for row in rows] == [False, True]
    assert rows[0].valid_to is not None
    assert rows[0].valid_to < rows[1].valid_from


def test_a_changed_role_in_a_project_ends_one_row_and_begins_another(world: World) -> None:
    ann = world.open_account("Ann", roles={"APP": "viewer"})
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, roles={"APP": "contributor"})

    run = sync(integration)

    assert roles_now(account("ann@acme.example")) == [("Contributor", "Mobile App")]
    assert run.counts["roles"] == {"added": 1, "ended": 1}


def test_every_active_account_has_a_role(world: World) -> None:
    """M-29: Member where the vendor says none; Administrator where the flag is set."""
    world.open_account("Ann")
    world.open_account("Bob", administrator=True)
    world.open_account("Cal", administrator=True, roles={"APP": "viewer"})

    sync(world.integration("aha"))

    assert roles_now(account("ann@acme.example")) == [("Member", "")]
    assert roles_now(account("bob@acme.example")) == [("Administrator", "")]
    assert roles_now(account("cal@acme.example")) == [
        ("Administrator", ""),
        ("Viewer", "Mobile App"),
    ]


def test_member_ends_when_a_real_role_comes(world: World) -> None:
    """M-29."""
    ann = world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, roles={"APP": "viewer"})

    sync(integration)

    assert roles_now(account("ann@acme.example")) == [("Viewer", "Mobile App")]


def test_deactivation_closes_the_rows(world: World) -> None:
    """M-29."""
    ann = world.open_account("Ann", roles=THREE)
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, enabled=False)

    run = sync(integration)

    assert roles_now(account("ann@acme.example")) == []
    assert account("ann@acme.example").roles.count() == 3
    assert run.counts["roles"] == {"added": 0, "ended": 3}


def test_an_account_that_is_first_met_as_disabled_has_no_current_role(world: World) -> None:
    """M-29: roles are of active accounts."""
    world.open_account("Ann", enabled=False, roles=THREE)
    integration = world.integration("aha")

    sync(integration)
    sync(integration)

    assert roles_now(account("ann@acme.example")) == []


def test_a_project_without_a_name_keeps_its_id(world: World) -> None:
    """The key may not see the name; two such projects would still be two rows."""
    world.open_account("Ann", roles={"SEC": "viewer"})

    sync(world.integration("aha"))

    row = account("ann@acme.example").roles.get()
    assert (row.role, row.scope, row.scope_id) == ("Viewer", "", "6776757454431870005")


def test_a_renamed_project_is_the_same_role(world: World) -> None:
    """AH-48: told apart by id; the row's name follows."""
    role = {"role": 50, "role_description": "Viewer", "product_id": "7", "product_name": "Old"}
    ann = world.open_account("Ann", product_roles=[role])
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, product_roles=[{**role, "product_name": "New"}])

    run = sync(integration)

    assert roles_now(account("ann@acme.example")) == [("Viewer", "New")]
    assert account("ann@acme.example").roles.count() == 1
    assert run.counts["roles"] == {"added": 0, "ended": 0}


CUSTOM = [{"role_id": 7, "name": "Roadmap editor", "scope": {"id": 70, "name": "Account 1"}}]


def test_custom_roles_that_vanish_from_the_whole_listing_are_not_believed(world: World) -> None:
    """M-12: the field was there in the last complete listing; roles are left, and the run says so."""
    ann = world.open_account("Ann", user_roles=CUSTOM)
    bob = world.open_account("Bob", roles={"APP": "viewer"})
    integration = world.integration("aha")
    sync(integration)
    before = roles_now(account("ann@acme.example"))
    world.aha.fault("omit_field", path="/users", field="user_roles")
    world.aha.change(bob, roles={"WEB": "viewer"})
    world.aha.change(ann, enabled=True, first_name="Anna")

    run = sync(integration)

    assert before == [("Roadmap editor", "Account 1")]
    assert roles_now(account("ann@acme.example")) == before
    assert roles_now(account("bob@acme.example")) == [("Viewer", "Mobile App")]
    assert any("user_roles" in warning for warning in run.warnings)
    assert account("ann@acme.example").name == "Anna Example"


def test_roles_are_taken_again_when_the_field_is_back(world: World) -> None:
    """M-12."""
    ann = world.open_account("Ann", user_roles=CUSTOM)
    bob = world.open_account("Bob", roles={"APP": "viewer"}, user_roles=CUSTOM)
    integration = world.integration("aha")
    sync(integration)
    world.aha.fault("omit_field", path="/users", field="user_roles")
    world.aha.change(ann, user_roles=[])
    sync(integration)
    world.aha.heal()
    world.aha.change(bob, roles={"WEB": "viewer"})

    run = sync(integration)

    assert roles_now(account("ann@acme.example")) == [("Member", "")]
    assert roles_now(account("bob@acme.example")) == [
        ("Viewer", "Web Platform"),
        ("Roadmap editor", "Account 1"),
    ]
    assert run.warnings == []


def test_custom_roles_that_some_record_still_has_end_where_they_are_absent(world: World) -> None:
    """M-12: then an absent field means none."""
    world.open_account("Ann", user_roles=CUSTOM)
    world.open_account("Bob", user_roles=CUSTOM)
    integration = world.integration("aha")
    sync(integration)
    world.aha.fault("set_values", path="/users", values={"users.1": _record_without_roles(world)})

    run = sync(integration)

    assert roles_now(account("ann@acme.example")) == [("Member", "")]
    assert roles_now(account("bob@acme.example")) == [("Roadmap editor", "Account 1")]
    assert run.warnings == []


def _record_without_roles(world: World) -> dict[str, object]:
    """The second user of the listing without `user_roles`."""
    document = world.sandbox.state["aha"].good_answer("users").body
    record: dict[str, object] = orjson.loads(document)["users"][1]
    del record["user_roles"]
    return record
