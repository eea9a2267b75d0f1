"""What is told before a workflow is activated."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Integration
from tests.makers import (
    make_application,
    make_credentials,
    make_custom_field,
    make_integration,
    make_person,
    make_role,
    make_saas_user,
    make_variable,
)
from tests.workflows.makers import make_workflow
from workflows.models import Workflow, WorkflowVersion
from workflows.readiness import readiness
from workflows.validation import validate
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db


def latest(workflow: Workflow) -> WorkflowVersion:
    found = workflow.versions.first()
    assert found is not None
    return found


def aha_block(preset: str = "aha.deactivate_user", **settings: Any) -> dict[str, Any]:
    return {
        "key": "disable",
        "kind": "api",
        "name": "Disable in Aha!",
        "preset": preset,
        "credentials": "Aha production",
        "settings": settings,
        "exits": {"success": "end", "failure": "end"},
    }


@pytest.fixture
def aha() -> Integration:
    make_variable()
    credentials = make_credentials("Aha production")
    return make_integration(credentials=credentials, tenant="mycompany", state="active")


def ready(workflow: Workflow) -> Any:
    return readiness(workflow, read_definition(latest(workflow)), now=timezone.now())


def test_it_says_how_many_match_who_lacks_the_id_and_what_is_called(aha: Integration):
    """(GT-13)"""
    make_custom_field("Aha User Id")
    for number in range(12):
        make_person(custom={"aha_user_id": str(number)} if number > 2 else {})
    workflow = make_workflow([aha_block()])

    told = ready(workflow)

    assert told.headline == "Matches 12 records now, 3 lack aha_user_id, calls PUT on Aha!"
    (block,) = told.blocks
    assert [one.count for one in block.lacking] == [3]
    assert len(block.lacking[0].first) == 3
    assert block.call.host == "mycompany.aha.io"
    assert block.call.destructive


def test_more_than_the_limit_of_removals_has_to_be_typed(aha: Integration):
    make_custom_field("Aha User Id")
    for number in range(8):
        make_person(custom={"aha_user_id": str(number)})

    told = ready(make_workflow([aha_block()]))

    assert told.limit == 5
    assert told.must_type == 8
    assert "Type the number 8" in " ".join(told.sentences)


def test_what_stays_within_the_limit_need_not_be_typed(aha: Integration):
    make_custom_field("Aha User Id")
    make_person(custom={"aha_user_id": "1"})

    assert ready(make_workflow([aha_block()])).must_type is None


def test_reading_many_need_not_be_typed(aha: Integration):
    make_custom_field("Aha User Id")
    for number in range(8):
        make_person(custom={"aha_user_id": str(number)})

    told = ready(make_workflow([aha_block("aha.get_user_details")]))

    assert not told.is_destructive
    assert told.must_type is None


def test_a_switch_that_takes_something_away_is_told_with_how_many_it_would_meet(
    aha: Integration,
):
    """(AH-42)"""
    make_custom_field("Aha User Id")
    application = make_application()
    people = [make_person(custom={"aha_user_id": str(n)}) for n in range(4)]
    for number, person in enumerate(people[:3]):
        status = "active" if number else "deactivated"
        user = make_saas_user(application, person=person, status=status)
        make_role(user, "Administrator" if number == 1 else "Member")
    workflow = make_workflow(
        [aha_block("aha.update_user_details", inputs={"enabled": False, "administrator": "false"})]
    )

    mistakes = validate(workflow, read_definition(latest(workflow)))

    told = [one.message for one in mistakes if one.warning and one.block == "disable"]
    assert "Enabled is set to false. Of the 4 matching records, 2 are active at Aha! now." in told
    admins = "Of the 4 matching records, 1 is an administrator at Aha! now."
    assert f"Administrator is set to false. {admins}" in told


def test_a_switch_at_a_vendor_without_loaded_users_is_told_too(aha: Integration):
    make_custom_field("Aha User Id")
    make_person(custom={"aha_user_id": "1"})
    workflow = make_workflow([aha_block("aha.update_user_details", inputs={"enabled": False})])

    mistakes = validate(workflow, read_definition(latest(workflow)))

    assert any("is not known, for no users of Aha! are loaded" in one.message for one in mistakes)


def test_a_switch_that_is_left_unchanged_is_not_told(aha: Integration):
    make_custom_field("Aha User Id")
    make_person(custom={"aha_user_id": "1"})
    workflow = make_workflow([aha_block("aha.update_user_details", inputs={"first_name": "Ann"})])

    assert validate(workflow, read_definition(latest(workflow))) == []


def test_the_queries_do_not_grow_with_the_records(
    aha: Integration, django_assert_max_num_queries: Any
):
    make_custom_field("Aha User Id")
    for number in range(40):
        make_person(custom={"aha_user_id": str(number)} if number % 2 else {})
    workflow = make_workflow([aha_block()])
    definition = read_definition(latest(workflow))

    with django_assert_max_num_queries(18):
        readiness(workflow, definition, now=timezone.now())
