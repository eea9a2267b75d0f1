"""What mappings make of source fields: the standard fields, the synthetic ones, paths, constants."""

from __future__ import annotations

from integrations.models import LinkState
from people.fields import make_field
from people.models import CustomField, Event
from saas.models import SaaSUser

from .worlds import ACCOUNTS, World, account, issues, person, sync


def field(label: str, kind: str = "text", owner: str = "person") -> CustomField:
    return make_field(object=owner, label=label, type=kind)


def test_every_standard_field_of_aha_can_be_mapped_to_a_field_of_its_own(world: World):
    """AH-24, AH-25, AH-29, AH-30: the twelve fields and where a record came from."""
    world.open_account("Ann", accessed_at="2026-11-01T08:00:00.000Z", administrator=True)
    wanted = {
        "accessed_at": "datetime",
        "connect_credentials": "text",
        "connect_subdomain": "text",
        "connect_source": "text",
        "created_at": "datetime",
        "id": "text",
        "is_administrator": "boolean",
        "is_enabled": "boolean",
        "is_paid_seat": "boolean",
        "updated_at": "datetime",
    }
    mappings = [
        {"source": source, "target": field(f"Aha {source}", kind).key}
        for source, kind in wanted.items()
    ]
    integration = world.integration("aha", mappings=[*ACCOUNTS, *mappings])

    sync(integration)

    custom = person("ann@acme.example").custom
    assert custom["aha_accessed_at"] == "2026-11-01T08:00:00+00:00"
    assert custom["aha_connect_credentials"] == str(integration.credentials)
    assert custom["aha_connect_subdomain"] == "acme"
    assert custom["aha_connect_source"] == f"Aha!: {integration.name}"
    assert custom["aha_is_administrator"] is True
    assert custom["aha_is_enabled"] is True
    assert custom["aha_id"] == account("ann@acme.example").external_id


def test_connector_sync_time_is_when_the_record_was_last_seen_and_no_change(world: World):
    """M-1, AH-30: it is in no plan and no event, and moves with every sync."""
    world.open_account("Ann")
    seen = field("Last seen", "datetime")
    integration = world.integration(
        "aha", mappings=[*ACCOUNTS, {"source": "connector_sync_time", "target": seen.key}]
    )

    sync(integration)
    first = person("ann@acme.example").custom["last_seen"]
    second_run = sync(integration)

    now = person("ann@acme.example").custom["last_seen"]
    state = LinkState.objects.get(link__person__email="ann@acme.example")
    assert now > first
    assert now == state.seen_at.isoformat()
    assert second_run.counts["people"]["updated"] == 0
    assert not Event.objects.filter(run_id=second_run.pk).exists()


def test_a_field_of_saas_users_can_be_mapped(world: World):
    """`interface.md`, Field names: SaaS user targets are also the keys of SaaS-user fields."""
    world.open_account("Ann", paid_seat=False)
    seat = field("Paid seat", "boolean", "saas_user")
    integration = world.integration(
        "aha", mappings=[*ACCOUNTS, {"source": "is_paid_seat", "target": seat.key}]
    )

    run = sync(integration)
    again = sync(integration)

    assert account("ann@acme.example").custom == {"paid_seat": False}
    assert "paid_seat" not in person("ann@acme.example").custom
    assert issues(run) == []
    assert again.counts["saas_users"]["updated"] == 0


def test_a_path_into_the_vendors_record_can_be_mapped(world: World):
    """AH-31: what is no standard field is a path."""
    world.open_account("Ann")
    how = field("Signs in with")
    integration = world.integration(
        "aha", mappings=[*ACCOUNTS, {"source": "identity_provider.type", "target": how.key}]
    )

    sync(integration)

    assert person("ann@acme.example").custom["signs_in_with"] == "password"


def test_a_custom_value_that_changes_is_an_edit_of_that_field_only(world: World):
    world_id = world.open_account("Ann")
    number = field("Aha User Id")
    integration = world.integration(
        "aha", mappings=[*ACCOUNTS, {"source": "name", "target": number.key}]
    )
    sync(integration)

    world.aha.change(world_id, first_name="Anna")
    run = sync(integration)

    event = Event.objects.get(run_id=run.pk, object="person")
    assert event.kind == "edit"
    assert event.changes["aha_user_id"] == ["Ann Example", "Anna Example"]
    assert SaaSUser.objects.get(external_id=world_id).name == "Anna Example"
