"""Applying `workflows:` makes drafts, versions and states; a second time changes nothing."""

from __future__ import annotations

import pytest

from integrations.models import Credentials
from saas.models import Application
from tests.integrations.configuration.files import AHA
from tests.makers import make_person, make_saas_user
from tests.workflows.configuration.files import FILE, LEAVERS, ROLES, apply
from workflows.activating import archive, pause
from workflows.definition import Definition
from workflows.editing import save_definition
from workflows.models import Workflow, WorkflowVersion
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db


def the_workflow() -> Workflow:
    return Workflow.objects.select_related("active_version", "application").get()


def versions() -> list[int]:
    return list(WorkflowVersion.objects.order_by("number").values_list("number", flat=True))


def test_a_file_makes_everything_that_its_workflow_names_and_activates_it():
    receipt = apply(FILE)

    workflow = the_workflow()
    assert receipt.notes == ()
    assert (workflow.state, workflow.activated_by) == ("active", "command line")
    assert workflow.application is not None
    assert workflow.application.name == "Aha!"
    assert workflow.active_version is not None
    definition = read_definition(workflow.active_version)
    assert [block.key for block in definition.blocks] == ["role", "tell"]
    assert definition.blocks[0].credentials == "Aha production"
    assert workflow.active_version.blocks.get(key="role").credentials == Credentials.objects.get()


def test_a_second_time_changes_nothing_and_makes_no_version():
    apply(FILE)
    before = versions()

    receipt = apply(FILE)

    assert receipt.changes == ()
    assert versions() == before


def test_a_plan_says_what_would_be_and_writes_nothing():
    receipt = apply(FILE, plan=True)

    told = str(receipt)
    assert "+ workflows: Aha! roles" in told
    assert "state: active" in told
    assert not Workflow.objects.exists()


def test_a_changed_definition_is_a_new_version_that_runs_and_the_old_one_is_kept():
    apply(FILE)
    first = the_workflow().active_version

    receipt = apply(FILE.replace("deactivate_user: true", "deactivate_user: false"))

    (change,) = receipt.changes
    assert [field.name for field in change.fields] == ["blocks.role"]
    now = the_workflow().active_version
    assert now is not None
    assert now != first
    assert read_definition(now).blocks[0].settings == {"deactivate_user": False}
    assert WorkflowVersion.objects.count() == 2


def test_a_draft_may_have_mistakes_which_are_told():
    receipt = apply(AHA + LEAVERS.replace("exits: {success: end, failure: end}", "exits: {}"))

    assert the_workflow().state == "draft"
    assert any('workflow "Leavers": Block "off"' in note for note in receipt.notes)


def test_a_draft_becomes_active_by_its_state_alone():
    apply(AHA + LEAVERS)

    receipt = apply(AHA + LEAVERS.replace("state: draft", "state: active"))

    (change,) = receipt.changes
    assert [str(field) for field in change.fields] == ["state: draft -> active"]
    assert the_workflow().state == "active"


@pytest.mark.parametrize("state", ["paused", "archived"])
def test_each_state_can_be_written_and_stays(state: str):
    text = FILE.replace("    state: active\n", f"    state: {state}\n")
    text = text.replace(f"state: {state}\n", "state: active\n", 1)  # of the integration

    apply(text)
    again = apply(text)

    assert the_workflow().state == state
    assert again.changes == ()


def test_what_was_paused_or_archived_goes_on_by_the_file():
    apply(FILE)
    pause(the_workflow(), by="somebody")
    apply(FILE)
    assert the_workflow().state == "active"
    archive(the_workflow(), by="somebody")

    apply(FILE)

    assert the_workflow().state == "active"
    assert versions() == [2]


def test_what_somebody_saved_and_did_not_activate_is_left_alone():
    apply(FILE)
    workflow = the_workflow()
    running = workflow.active_version
    save_definition(workflow, Definition(), by=None, by_name="editor")

    receipt = apply(FILE)

    assert receipt.changes == ()
    assert the_workflow().active_version == running


def test_a_workflow_that_is_not_in_the_file_is_left_alone():
    apply(FILE)

    receipt = apply(AHA + LEAVERS)

    assert [change.name for change in receipt.changes] == ["Leavers"]
    assert Workflow.objects.get(name="Aha! roles").state == "active"


def test_what_a_file_leaves_out_stays():
    apply(FILE)

    receipt = apply("workflows: [{name: Aha! roles, object: saas_user, state: paused}]")

    assert [str(one) for one in receipt.changes[0].fields] == ["state: active -> paused"]
    assert the_workflow().description == "Who has which role in which project"


def test_a_field_and_a_variable_of_the_same_file_are_known():
    file = AHA.replace("people_fields:", "people_fields:\n  - {label: Fresh, type: long_text}")
    update = LEAVERS.replace(
        "        exits:",
        "        settings: {response: {positive: [{from: '{{ response }}', to: fresh}]}}\n"
        "        exits:",
    ).replace("state: draft", "state: active")

    receipt = apply(file + update)

    assert receipt.notes == ()
    assert the_workflow().state == "active"


def test_more_records_than_may_be_removed_are_not_meant_by_a_file():
    """S-19: the number is typed on the page."""
    apply(AHA)
    for _number in range(40):
        make_person()
    text = LEAVERS.replace("[archive]", "[manual]").replace("state: draft", "state: active")

    with pytest.raises(Exception, match="activate it on its page") as refused:
        apply(text)

    assert "It matches 40 records now" in str(refused.value)
    assert not Workflow.objects.exists()


def test_comparing_costs_the_same_for_one_workflow_and_for_many(
    django_assert_max_num_queries: pytest.FixtureRequest,
):
    many = ROLES + "".join(
        ROLES.replace("workflows:\n", "").replace("Aha! roles", f"Roles {number}")
        for number in range(20)
    )
    apply(AHA + many)
    make_saas_user(Application.objects.get())

    with django_assert_max_num_queries(40):  # type: ignore[operator]
        assert apply(AHA + many).changes == ()
