"""What workflows use is told where it could be deleted."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from people.errors import FieldInvalid
from people.fields import delete_field, used_by
from tests.makers import make_application, make_credentials, make_custom_field
from tests.workflows.makers import make_workflow

pytestmark = pytest.mark.django_db


def test_a_field_that_rules_templates_or_mappings_name_is_not_deleted() -> None:
    level = make_custom_field("Level")
    key = make_custom_field("Answer Key")
    make_workflow(
        [
            {
                "key": "tell",
                "kind": "notification",
                "name": "Tell IT",
                "settings": {"recipients": ["it@example.com"], "subject": "{{ level }}"},
                "exits": {"success": "end", "failure": "end"},
            },
            {
                "key": "set",
                "kind": "update",
                "settings": {"set": {"answer_key": "x"}},
                "exits": {"success": "end", "failure": "end"},
            },
        ],
        name="Leavers",
        begin={"rules": {"any": [{"field": "level", "operator": "is_empty"}]}},
    )

    with pytest.raises(FieldInvalid):
        delete_field(level)

    assert used_by(level) == [
        'used by the workflow "Leavers" (the rules of Begin, block "Tell IT")'
    ]
    assert used_by(key) == ['used by the workflow "Leavers" (block "set")']


def test_a_field_that_a_preset_needs_is_used_too() -> None:
    field = make_custom_field("Aha User Id")
    call = {"key": "read", "kind": "api", "preset": "aha.get_user_details"}
    make_workflow([call], name="Details")

    assert used_by(field) == ['used by the workflow "Details" (block "read")']


def test_an_archived_workflow_uses_nothing_any_more() -> None:
    field = make_custom_field("Level")
    rules = {"all": [{"field": "level", "operator": "is_empty"}]}
    workflow = make_workflow(begin={"rules": rules})
    before = used_by(field)
    workflow.state = "archived"
    workflow.save()

    assert (len(before), used_by(field)) == (1, [])


def test_the_page_of_credentials_names_the_workflows_that_call_with_them(
    client: Client, it_admin: User
) -> None:
    make_application()
    credentials = make_credentials()
    make_workflow(
        [
            {
                "key": "read",
                "kind": "api",
                "preset": "aha.get_user_details",
                "credentials": credentials.name,
            }
        ],
        name="Read details",
    )
    client.force_login(it_admin)

    page = client.get(f"/admin/integrations/credentials/{credentials.pk}/change/").content.decode()

    assert "Workflow: Read details" in page
