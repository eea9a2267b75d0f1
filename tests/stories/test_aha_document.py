"""The Aha! document, step by step: three presets, the sub-domain's variable, and roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.models import GlobalVariable
from people.models import Person
from saas.models import Application, SaaSUser
from tests.makers import make_custom_field
from tests.stories.company import Company
from tests.stories.reader import LIST, Reader
from tests.workflows.blocks.offices import roles_now
from workflows.models import BlockRun, Workflow, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)
CREDENTIALS = {"credentials": "aha production"}


@pytest.fixture
def loaded(company: Company) -> Company:
    """With the user load of the document: Id goes into Aha User Id."""
    subdomain = company.sandbox.state["aha"].inputs()["subdomain"]
    GlobalVariable.objects.create(key="Aha.Subdomain", value=subdomain)
    company.load("aha")
    make_custom_field("API Response", type="long_text")
    return company


def way(run: WorkflowRun) -> BlockRun:
    return BlockRun.objects.get(item__run=run)


def known(company: Company) -> Person:
    """Somebody whose id the load filled, who is no administrator."""
    users = SaaSUser.objects.filter(status="active").exclude(roles__role="Administrator")
    return next(user.person for user in users.order_by("pk") if user.person is not None)


def aha(reader: Reader, label: str, **fields: Any) -> tuple[Workflow, str]:
    """Configuration > Workflows > Add > People > API > the preset; saved, not yet active."""
    workflow = reader.adds(f"Story of {label}")
    reader.is_by_hand(workflow)
    return workflow, reader.places(workflow, "Aha", label, **{**CREDENTIALS, **fields})


def test_the_load_filled_the_ids_that_the_presets_name(loaded: Company, reader: Reader) -> None:
    """AH-37, AH-45: three presets of the document, each with sub-domain and credentials."""
    workflow, key = aha(reader, "Aha! Get User Details")

    found = reader.finds(workflow, "Aha")
    form = reader.block_page(workflow, key)

    wanted = {"Aha! Deactivate User", "Aha! Get User Details", "Aha! Update User Details"}
    assert wanted <= set(found)
    assert form["account_subdomain"] == loaded.sandbox.state["aha"].inputs()["subdomain"]
    assert form["credentials"] == "aha production"
    assert "{{ aha_user_id }}" in form["request_url"]
    assert known(loaded).custom["aha_user_id"]


def test_a_leaver_is_disabled_and_the_page_asks_first(loaded: Company, reader: Reader) -> None:
    """AH-38, C-20, C-24."""
    workflow, _key = aha(reader, "Aha! Deactivate User")
    someone = known(loaded)
    reader.begins(workflow, ("email", "equals", someone.email), actions=["manual", "archive"])
    assert "is valid" in reader.validates(workflow)
    assert someone.custom["aha_user_id"] in reader.previews(workflow, someone.email)
    reader.activates(workflow)

    run = reader.starts(workflow)

    assert run.state == "done", way(run).note
    assert loaded.record("aha", someone.custom["aha_user_id"])["enabled"] is False
    assert len(loaded.effects()) == 1
    shown = reader.reads(run)
    assert someone.email in shown
    item = run.items.get()
    told = reader.opens(f"/admin/workflows/runitem/{item.pk}/change/")
    assert "Aha! Deactivate User" in told
    assert "PUT" in told


def test_the_id_may_be_replaced_by_hand(loaded: Company, reader: Reader) -> None:
    """AH-38, C-21: in Information, for this block alone."""
    workflow, key = aha(reader, "Aha! Get User Details")
    someone = known(loaded)
    url = reader.block_page(workflow, key)["request_url"]
    assert "{{ aha_user_id }}" in url
    fixed = url.replace("{{ aha_user_id }}", someone.custom["aha_user_id"])
    stored = {"from": "{{ response }}", "to": "api_response"}
    rows = {f"response_positive-0-{name}": value for name, value in stored.items()}
    reader.edits(workflow, key, request_url=fixed, **rows)
    other, fresh = aha(reader, "Aha! Deactivate User")
    reader.activates(workflow)

    run = reader.starts(workflow, someone)

    someone.refresh_from_db()
    assert run.state == "done", way(run).note
    assert someone.email in someone.custom["api_response"]
    assert "{{ aha_user_id }}" in reader.block_page(other, fresh)["request_url"]


def test_an_empty_id_is_stopped_before_anything_is_sent(loaded: Company, reader: Reader) -> None:
    """AH-39, AH-40: and the sentence names the load that fills it."""
    someone = known(loaded)
    Person.objects.filter(pk=someone.pk).update(custom={})
    workflow, _key = aha(reader, "Aha! Deactivate User")
    reader.activates(workflow)
    loaded.sandbox.log.clear()

    run = reader.starts(workflow, someone)

    assert (run.state, loaded.sent(), loaded.effects()) == ("failed", [], [])
    assert "Aha! User Load" in way(run).note


def test_details_are_read_and_stored(loaded: Company, reader: Reader) -> None:
    """AH-40, AH-03."""
    stored = {"from": "{{ response }}", "to": "api_response"}
    rows = {f"response_positive-0-{name}": value for name, value in stored.items()}
    workflow, _key = aha(reader, "Aha! Get User Details", **rows)
    reader.begins(workflow, ("aha_user_id", "is_not_empty", ""), actions=["manual"])
    reader.activates(workflow)

    run = reader.starts(workflow)

    people = Person.objects.exclude(custom={}).filter(status="active")
    assert run.state == "done", run.counts
    assert people
    assert all(one.email in one.custom["api_response"] for one in people)
    assert loaded.effects() == []


def test_an_update_sends_what_was_chosen_and_warns_of_false(
    loaded: Company, reader: Reader
) -> None:
    """AH-41, AH-42, AH-43: Validate counts who is enabled now, where false is chosen."""
    someone = known(loaded)
    workflow, key = aha(
        reader, "Aha! Update User Details", input_first_name="Helen", input_administrator="false"
    )
    said = reader.validates(workflow)
    body = json.loads(reader.block_page(workflow, key)["request_body"])
    body["user"]["custom_fields"] = {"note": "{{ title }}"}
    reader.activates(workflow)

    run = reader.starts(workflow, someone)

    (effect,) = list(loaded.sandbox.ledger)
    assert "administrator" in said.casefold()
    assert run.state == "done", way(run).note
    assert set(effect.set) == {"first_name", "administrator"}
    assert loaded.record("aha", someone.custom["aha_user_id"])["first_name"] == "Helen"


def test_a_key_that_may_not_is_told_of_clearly(loaded: Company, reader: Reader) -> None:
    """AH-44, C-25: 403 is a failure with what the key needs."""
    workflow, _key = aha(reader, "Aha! Update User Details", input_first_name="Helen")
    reader.activates(workflow)
    loaded.change("aha", loaded.sandbox.state["aha"].kept()["owner_id"], administrator=False)

    run = reader.starts(workflow, known(loaded))

    assert (run.state, way(run).status, loaded.effects()) == ("failed", 403, [])
    assert "administrator" in way(run).note


def test_one_brace_missing_is_found_with_its_place(loaded: Company, reader: Reader) -> None:
    """AH-50, C-10, C-11: exactly what the document writes."""
    workflow, key = aha(reader, "Aha! Deactivate User")
    reader.edits(workflow, key, request_url="users/{{aha_user_id}")

    said = reader.validates(workflow)
    reader.client.post(f"{LIST}{workflow.pk}/activate/", {"typed": "12"})

    workflow.refresh_from_db()
    assert "Aha! Deactivate User" in said
    assert "character 20" in said
    assert workflow.state == "draft"


# Roles -------------------------------------------------------------------------------------------

PRODUCTS = ("6776757454431870001", "6776757454431870002", "6776757454431870003")


def roles_workflow(reader: Reader, **fields: Any) -> Workflow:
    application = Application.objects.get(vendor="aha")
    workflow = reader.adds("Aha! roles", application, "Who owns what")
    reader.is_by_hand(workflow)
    assert reader.finds(workflow, "Aha", "saas_user_role") == ["Aha! User Role"]
    reader.places(
        workflow,
        "Aha",
        "Aha! User Role",
        "saas_user_role",
        key="roles",
        **{**CREDENTIALS, **fields},
    )
    assert "account_subdomain" in reader.block_page(workflow, "roles")
    assert "is valid" in reader.validates(workflow)
    reader.activates(workflow)
    return workflow


def test_three_projects_are_three_rows_and_a_second_run_adds_none(
    loaded: Company, reader: Reader, hr: Reader
) -> None:
    """AH-45..AH-49: the same role twice is kept twice; a lost one stays in history."""
    first, second, third = PRODUCTS
    owner = loaded.join(
        "aha",
        email="owner@acme.example",
        first_name="Olive",
        last_name="Owner",
        roles={first: "product_owner", second: "product_owner", third: "viewer"},
    )
    loaded.sync("aha")
    user = SaaSUser.objects.get(external_id=owner)
    user.roles.all().delete()
    workflow = roles_workflow(reader)

    once = reader.starts(workflow)
    found = roles_now(user)
    twice = reader.starts(workflow)
    again = user.roles.count()
    loaded.change("aha", owner, roles={first: "product_owner", third: "viewer"})
    reader.starts(workflow)

    page = hr.opens(f"/admin/saas/saasuser/?application={user.application_id}")
    assert (once.state, twice.state) == ("done", "done"), (once.counts, twice.counts)
    assert found == ["Owner", "Owner", "Viewer"]
    assert again == len(PRODUCTS)
    scopes = user.roles.filter(valid_to=None).values_list("scope_id", "role")
    assert set(scopes) == {(first, "Owner"), (third, "Viewer")}
    assert user.roles.count() == len(PRODUCTS)
    assert "owner@acme.example" in page
    assert "Owner" in page
    assert loaded.effects() == []


@pytest.mark.parametrize("ticked", [True, False])
def test_a_disabled_account_is_deactivated_here_only_where_that_was_ticked(
    loaded: Company,
    reader: Reader,
    ticked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """AH-51."""
    someone = known(loaded)
    user = SaaSUser.objects.get(person=someone)
    loaded.change("aha", user.external_id, enabled=False)
    workflow = roles_workflow(reader, **({"deactivate_user": "on"} if ticked else {}))

    run = reader.starts(workflow)

    user.refresh_from_db()
    assert run.state == "done", run.counts
    assert user.status == ("deactivated" if ticked else "active")
    assert loaded.effects() == []
