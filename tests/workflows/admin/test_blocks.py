"""The pages of single blocks: choosing a preset, configuring it, Advanced Mode, who may what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import groups
from integrations.models import GlobalVariable
from integrations.registry import get_preset
from tests.integrations.admin.pages import read_form, save, text_of
from tests.makers import (
    AHA_KEY,
    make_application,
    make_credentials,
    make_custom_field,
    make_saas_user,
    make_variable,
)
from tests.workflows.makers import activate, make_workflow
from workflows.definition import BlockPart, Definition
from workflows.editing import latest_version, save_definition
from workflows.models import Workflow
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db
FORM = "block_form"
ENDS = {"success": "end", "failure": "end"}
READ = {
    "key": "read",
    "kind": "api",
    "name": "Read details",
    "preset": "aha.get_user_details",
    "credentials": "Aha production",
    "exits": ENDS,
}


@pytest.fixture
def page(it_admin: User) -> Client:
    return signed_in(it_admin)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url_of(workflow: Workflow, *parts: str) -> str:
    return "/".join([f"/admin/workflows/workflow/{workflow.pk}/blocks", *parts, ""])


def saved(workflow: Workflow) -> Definition:
    return read_definition(latest_version(workflow))


def block_of(workflow: Workflow, key: str) -> BlockPart:
    found = saved(workflow).find(key)
    assert found is not None
    return found


def draft(*blocks: Mapping[str, Any], **more: Any) -> Workflow:
    return make_workflow(blocks, active=False, **more)


def labels_on(answer: Any) -> list[str]:
    return [offer.preset.label for offer, _needs in answer.context["offers"]]


def field_of(answer: Any, name: str) -> Any:
    return answer.context["form"].fields[name]


def mistakes_on(answer: Any, name: str) -> list[str]:
    """What stands at a field, its rows included."""
    field = field_of(answer, name)
    rows = getattr(field.widget, "row_errors", {})
    return [one.message for one in getattr(field, "mistakes", [])] + [
        one for said in rows.values() for one in said
    ]


# Choosing a preset.


@pytest.mark.parametrize(
    ("typed", "labels"),
    [
        ("gOtO", {"GoTo Admin Add Users", "GoTo Admin Delete Users", "GoTo Admin Update User"}),
        ("Betterworks", {"Betterworks Create User", "Betterworks Update User"}),
        ("aha", {"Aha! Deactivate User", "Aha! Get User Details", "Aha! Update User Details"}),
        ("update user aha", {"Aha! Update User Details"}),
    ],
)
def test_presets_are_found_by_vendor_and_name(page: Client, typed: str, labels: set[str]) -> None:
    """C-20, BW-12, GT-09, AH-37."""
    shown = page.get(url_of(draft(), "add", "api"), {"q": typed})

    found = labels_on(shown)
    vendors = {offer.vendor.label for offer, _needs in shown.context["offers"]}
    assert len(vendors) == 1
    assert {one for one in labels if one in found or "Betterworks" in one} == labels


def test_a_search_without_a_hit_says_what_to_do(page: Client) -> None:
    shown = text_of(page.get(url_of(draft(), "add", "api"), {"q": "nobody <b>"}))

    assert "0 presets found for “nobody <b>”." in shown
    assert "Try the name of the vendor alone." in shown


def test_each_preset_shows_what_it_does_what_it_needs_and_its_documentation(page: Client) -> None:
    """C-22, BW-25, GT-17."""
    answer = page.get(url_of(draft(), "add", "api"), {"q": "goto"})

    shown = text_of(answer)
    assert "Takes accounts away" in shown
    assert "Takes access away" in shown
    assert "Reads" in shown
    assert "Needs a super admin, or the admin role MANAGE_SEATS." in shown
    assert all(offer.docs.startswith("https://") for offer, _needs in answer.context["offers"])
    assert 'href="https://developer.goto.com/admin"' in answer.content.decode()


def test_choosing_leads_to_the_form_of_that_preset(page: Client) -> None:
    """C-20: the arrow is a link, so it works without a script."""
    workflow = draft()
    listed = page.get(url_of(workflow, "add", "api"), {"q": "get user details aha"})
    link = f"{url_of(workflow, 'add', 'api')}?preset=aha.get_user_details"

    shown = page.get(link)

    assert f'href="{link}"' in listed.content.decode()
    assert "{{ aha_user_id }}" in field_of(shown, "request_url").initial
    assert field_of(shown, "key").initial == "aha_get_user_details"


def test_a_role_block_offers_the_role_preset_of_the_application_alone(page: Client) -> None:
    """AH-45, BW-43, M-21, C-23."""
    workflow = draft(application=make_application())

    shown = page.get(url_of(workflow, "add", "saas_user_role"))

    assert labels_on(shown) == ["Aha! User Role"]
    assert "run the user integration with User plus SaaS User first" in text_of(shown)
    assert labels_on(page.get(url_of(workflow, "add", "api"), {"q": "goto"})) == []


def test_another_preset_keeps_the_block_until_it_is_saved(page: Client) -> None:
    make_credentials()
    workflow = draft({**READ, "settings": {"request": {"params": {"x": "1"}}}})
    url = url_of(workflow, "read")

    offered = page.get(url, {"choose": "1", "q": "aha"})
    chosen = f"{url}?preset=aha.deactivate_user"
    shown = text_of(page.get(chosen))
    before = block_of(workflow, "read").preset
    save(page, chosen, FORM)

    assert "Aha! Deactivate User" in labels_on(offered)
    assert "Until you save, the block keeps “Aha! Get User Details”." in shown
    assert before == "aha.get_user_details"
    after = block_of(workflow, "read")
    assert (after.preset, after.credentials) == ("aha.deactivate_user", "Aha production")
    assert after.settings == {}


@pytest.mark.parametrize(
    "path", ["add/nothing/", "add/api/?preset=aha.nothing", "nobody/", "read/?preset=x"]
)
def test_what_there_is_not_is_not_found(page: Client, path: str) -> None:
    workflow = draft(READ)

    assert page.get(f"{url_of(workflow)}{path}").status_code == 404


# Configure.


def test_a_new_block_is_saved_behind_the_last_one(page: Client) -> None:
    """BW-11..BW-17, GT-07: configured, connected and stored as one version."""
    make_credentials()
    make_variable()
    workflow = draft(READ)
    url = f"{url_of(workflow, 'add', 'api')}?preset=aha.update_user_details"

    answer = save(
        page, url, FORM, credentials="Aha production", input_first_name="{{ first_name }}"
    )

    made = block_of(workflow, "aha_update_user_details")
    assert answer["Location"] == f"/admin/workflows/workflow/{workflow.pk}/change/"
    assert made.settings == {"inputs": {"first_name": "{{ first_name }}"}}
    assert made.credentials == "Aha production"
    assert made.exits == ENDS
    assert block_of(workflow, "read").exits == {"success": made.key, "failure": "end"}


def test_a_key_is_kept_once_and_in_one_shape(page: Client) -> None:
    workflow = draft(READ)
    url = url_of(workflow, "add", "archive")

    said = {
        key: save(page, url, FORM, key=key).context["form"].errors["key"]
        for key in ("read", "Two words", "end", "")
    }

    assert said["read"] == ["Another block has this key. Give it one of its own."]
    assert "small letter" in said["Two words"][0]
    assert said["end"] == ['"end" is a word of its own. Use another key.']
    assert said[""]
    assert len(saved(workflow).blocks) == 1


def test_the_sub_domain_comes_from_the_variable_until_another_is_typed(page: Client) -> None:
    """AH-11, AH-12, AH-37."""
    make_credentials()
    make_variable(value="mycompany")
    workflow = draft(READ)
    url = url_of(workflow, "read")

    shown = page.get(url)
    save(page, url, FORM, account_subdomain="other")
    typed = block_of(workflow, "read").settings
    save(page, url, FORM, account_subdomain="mycompany")

    assert field_of(shown, "account_subdomain").initial == "mycompany"
    assert "global variable Aha.Subdomain" in str(field_of(shown, "account_subdomain").help_text)
    assert typed == {"inputs": {"subdomain": "other"}}
    assert block_of(workflow, "read").settings == {}


def test_a_switch_of_a_new_block_leaves_things_as_they_are(page: Client) -> None:
    """AH-41, GT-27: only what was chosen is stored, and so sent."""
    make_credentials()
    workflow = draft()
    url = f"{url_of(workflow, 'add', 'api')}?preset=aha.update_user_details"
    shown = page.get(url)

    save(page, url, FORM, credentials="Aha production", input_enabled="false")

    assert field_of(shown, "input_enabled").choices == [
        ("", "Leave unchanged"),
        ("true", "True"),
        ("false", "False"),
    ]
    assert field_of(shown, "input_administrator").initial == ""
    assert "has false as its default, which would disable the user" in str(
        field_of(shown, "input_enabled").help_text
    )
    assert block_of(workflow, "aha_update_user_details").settings == {"inputs": {"enabled": False}}


def test_a_default_of_the_preset_is_shown_followed_and_can_be_replaced(page: Client) -> None:
    """GT-23i: a switch with a default; emptied, the default does not come back by itself."""
    workflow = draft()
    url = f"{url_of(workflow, 'add', 'api')}?preset=goto.add_users"
    shown = page.get(url)

    save(page, url, FORM, input_first_name="Ann", input_suppress_email="")

    assert field_of(shown, "input_email").initial == "{{ email }}"
    assert field_of(shown, "input_suppress_email").initial == "false"
    inputs = block_of(workflow, "goto_admin_add_users").settings["inputs"]
    assert inputs == {"first_name": "Ann", "suppress_email": ""}


def test_inputs_have_the_choices_and_lengths_of_the_vendor(page: Client) -> None:
    """GT-23, GT-26."""
    workflow = draft()
    add, update = (
        page.get(url_of(workflow, "add", "api"), {"preset": preset})
        for preset in ("goto.add_users", "goto.update_user")
    )

    assert len(field_of(add, "input_admin_roles").choices) == 13
    assert len([key for key, _ in field_of(update, "input_locale").choices if key]) == 10
    assert "1 to 128 characters." in field_of(add, "input_email").help_text
    assert "At most 20,000 characters." in field_of(add, "input_email_text").help_text


def test_a_list_and_ticks_are_stored_as_lists(page: Client) -> None:
    """GT-23d, GT-23h."""
    workflow = draft()
    url = f"{url_of(workflow, 'add', 'api')}?preset=goto.add_users"

    save(
        page,
        url,
        FORM,
        input_license_keys="11\n {{ variables.key }} \n",
        input_admin_roles=["SUPER_USER", "RUN_REPORTS"],
    )

    inputs = block_of(workflow, "goto_admin_add_users").settings["inputs"]
    assert inputs["license_keys"] == ["11", "{{ variables.key }}"]
    assert inputs["admin_roles"] == ["SUPER_USER", "RUN_REPORTS"]


def test_mistakes_are_saved_and_stand_at_their_fields(page: Client) -> None:
    """BW-07, GT-11, GT-24, GT-25, C-10, AH-50."""
    workflow = draft()
    url = f"{url_of(workflow, 'add', 'api')}?preset=goto.add_users"
    save(
        page,
        url,
        FORM,
        input_email="",
        input_first_name="x" * 61,
        input_last_name="{{ last_name }",
        exit_failure="",
    )

    shown = page.get(url_of(workflow, "goto_admin_add_users"))

    assert mistakes_on(shown, "credentials")
    assert mistakes_on(shown, "input_email")
    assert "60" in mistakes_on(shown, "input_first_name")[0]
    assert "character" in mistakes_on(shown, "input_last_name")[0]
    assert mistakes_on(shown, "exit_failure")
    assert "to mend before the workflow can be activated" in text_of(shown)


def test_only_credentials_of_the_vendor_are_offered_with_what_they_lack(page: Client) -> None:
    """BW-14, GT-10, AH-06."""
    make_credentials()
    make_credentials("Aha empty", secret="")
    make_credentials("Monday", vendor="monday", secret="canary-8c1d")
    shown = page.get(url_of(draft(READ), "read"))

    offered = [key for key, _label in field_of(shown, "credentials").choices if key]
    assert offered == ["Aha empty", "Aha production"]
    assert "Aha empty" in str(field_of(shown, "credentials").help_text)


# Advanced Mode.


def test_advanced_mode_has_every_tab(page: Client) -> None:
    """C-16, GT-12."""
    make_credentials()
    shown = page.get(url_of(draft(READ), "read"))

    html = shown.content.decode()
    for tab in ("Information", "Authorization", "Params", "Headers", "Body", "Response"):
        assert f'data-wf-tab="{tab}"' in html
    assert "sign with their key in the header Authorization" in text_of(shown)
    assert AHA_KEY not in html


def test_what_is_changed_is_the_blocks_own(page: Client) -> None:
    """C-21, BW-24, AH-43: the preset stays as it is, for everybody else."""
    make_credentials()
    workflow = draft({**READ, "preset": "aha.deactivate_user"})
    before = get_preset("aha.deactivate_user")[1].model_dump()

    save(
        page,
        url_of(workflow, "read"),
        FORM,
        request_body='{"user": {"enabled": false}, "note": "{{ title }}"}',
        **{"request_params-0-name": "force", "request_params-0-value": "1"},
    )

    assert block_of(workflow, "read").settings == {
        "request": {"body": {"note": "{{ title }}"}, "params": {"force": "1"}}
    }
    assert get_preset("aha.deactivate_user")[1].model_dump() == before


def test_a_tab_goes_back_to_the_preset_without_saving(page: Client) -> None:
    make_credentials()
    request = {"params": {"x": "1"}, "headers": {"X-Note": "a"}}
    workflow = draft({**READ, "settings": {"request": request}})
    url = url_of(workflow, "read")

    answer = save(page, url, FORM, reset="params", name="Typed")
    kept = block_of(workflow, "read").settings
    values = read_form(answer, FORM)
    page.post(url, values)

    assert kept == {"request": request}
    assert values["name"] == "Typed"
    assert values["request_params-0-name"] == ""
    assert block_of(workflow, "read").settings == {"request": {"headers": {"X-Note": "a"}}}


def test_a_body_that_is_no_json_is_not_saved_and_not_lost(page: Client) -> None:
    make_credentials()
    workflow = draft(READ)

    answer = save(page, url_of(workflow, "read"), FORM, request_body='{"email": {{ email }}}')

    assert "Nothing was saved." in text_of(answer)
    assert "A placeholder stands in quotes" in answer.context["form"].errors["request_body"][0]
    assert read_form(answer, FORM)["request_body"] == '{"email": {{ email }}}'
    assert block_of(workflow, "read").settings == {}


def test_parts_of_the_answer_go_into_fields_and_variables(page: Client) -> None:
    """C-18, C-19, BW-16, GT-14, GT-15."""
    make_credentials()
    make_custom_field("API Response", type="long_text")
    workflow = draft(READ)
    url = url_of(workflow, "read")
    shown = page.get(url)

    rows = {
        "response_positive-0-from": "{{ response }}",
        "response_positive-0-to": "api_response",
        "response_negative-0-from": "{{ response.message }}",
        "response_negative-0-to": "=variable",
        "response_negative-0-variable": "why",
    }
    save(page, url, FORM, **rows)

    assert block_of(workflow, "read").settings == {
        "response": {
            "positive": [{"from": "{{ response }}", "to": "api_response"}],
            "negative": [{"from": "{{ response.message }}", "to": "variables.why"}],
        }
    }
    targets = dict(field_of(shown, "response_positive").widget.columns[1].choices)
    assert targets["api_response"] == "API Response (long text)"
    assert not {"username", "email", "status", "role", "employee_id"} & set(targets)
    assert "{{ response.user.id }} (aha_user_id)" in text_of(shown)


def test_a_mistake_in_a_row_stands_at_that_row(page: Client) -> None:
    """AH-50: with the position."""
    make_credentials()
    rows = [{"from": "{{ response.id }}", "to": "title"}, {"from": "{{ response", "to": "title"}]
    params = {"a": "1", "b c": "{{ aha_user_id}"}
    settings = {"response": {"positive": rows}, "request": {"params": params}}

    shown = page.get(url_of(draft({**READ, "settings": settings}), "read"))

    assert 1 in field_of(shown, "response_positive").widget.row_errors
    assert list(field_of(shown, "request_params").widget.row_errors) == [1]
    assert "character 15" in mistakes_on(shown, "request_params")[0]
    assert 'data-wf-trouble="1"' in shown.content.decode()


def test_an_own_request_is_stored_as_a_whole(page: Client) -> None:
    """M-25."""
    make_credentials()
    workflow = draft()
    url = f"{url_of(workflow, 'add', 'api')}?preset=own"

    save(
        page,
        url,
        FORM,
        key="mine",
        credentials="Aha production",
        request_method="POST",
        request_url="users",
        request_body='{"email": "{{ email }}"}',
    )

    made = block_of(workflow, "mine")
    assert made.preset == ""
    assert made.settings == {
        "request": {"method": "POST", "url": "users", "body": {"email": "{{ email }}"}}
    }


# The other kinds.

RICH = [
    {**READ, "settings": {"inputs": {"subdomain": "other"}, "request": {"params": {"n": 5}}}},
    {
        "key": "users",
        "kind": "api",
        "preset": "goto.add_users",
        "settings": {"inputs": {"email": "x@example.com", "license_keys": ["1", "2"]}},
        "exits": ENDS,
    },
    {
        "key": "own",
        "kind": "api",
        "credentials": "Aha production",
        "settings": {
            "request": {"method": "PATCH", "url": "users/1", "body": [1, True, {"a": None}]},
            "response": {"negative": [{"from": "{{ response.a }}", "to": "variables.b"}]},
        },
        "exits": ENDS,
    },
    {
        "key": "ask",
        "kind": "condition",
        "settings": {
            "rules": {
                "any": [
                    {"field": "status", "operator": "equals", "value": "Active"},
                    {"field": "country", "operator": "in", "value": ["NL", "BE"]},
                    {"field": "title", "operator": "changed"},
                ]
            }
        },
        "exits": {"yes": "end", "no": "end"},
    },
    {
        "key": "nested",
        "kind": "condition",
        "settings": {
            "rules": {"all": [{"any": [{"field": "title", "operator": "is_empty"}]}]},
        },
        "exits": {"yes": "end", "no": "end"},
    },
    {
        "key": "set",
        "kind": "update",
        "settings": {"set": {"title": None, "variables.n": 3, "country": "{{ location }}"}},
        "exits": ENDS,
    },
    {
        "key": "tell",
        "kind": "notification",
        "settings": {
            "recipients": ["{{ email }}", "it@example.com"],
            "subject": "About {{ email }}",
            "message": "  Two\nlines  ",
        },
        "exits": ENDS,
    },
    {"key": "days", "kind": "delay", "settings": {"for_days": 3}, "exits": {"success": "end"}},
    {"key": "hours", "kind": "delay", "settings": {"for_hours": 12}, "exits": {"success": "end"}},
    {
        "key": "until",
        "kind": "delay",
        "settings": {"until_field": "hire_date"},
        "exits": {"success": "end"},
    },
    {
        "key": "approve",
        "kind": "approval",
        "settings": {
            "approvers": ["IT admin", "ann"],
            "message": "{{ full_name }}?",
            "deadline_days": 5,
        },
        "exits": {"approved": "end", "rejected": "end", "expired": "end"},
    },
    {"key": "close", "kind": "archive", "exits": ENDS},
]


@pytest.mark.parametrize("given", RICH, ids=[str(one["key"]) for one in RICH])
def test_opening_a_block_and_saving_it_changes_nothing(page: Client, given: Any) -> None:
    make_credentials()
    workflow = draft(given)
    before, number = saved(workflow), latest_version(workflow).number

    answer = save(page, url_of(workflow, given["key"]), FORM)

    assert answer.status_code == 302, answer.context["form"].errors
    assert saved(workflow).as_data() == before.as_data()
    assert latest_version(workflow).number == number


@pytest.mark.parametrize(
    "settings",
    [
        {"inputs": ["x"], "request": "GET", "response": {"positive": "y"}},
        {"inputs": {"enabled": {"a": 1}}, "request": {"params": [1], "url": 7, "body": "text"}},
        {"request": {"method": None, "headers": None}, "response": [1, 2]},
        {"set": [1], "rules": "x", "recipients": 5, "for_days": [], "approvers": {"a": 1}},
    ],
)
def test_what_a_file_put_into_the_settings_breaks_no_page(page: Client, settings: Any) -> None:
    """Each kind shows odd shapes, and what Validate says of them."""
    make_credentials()
    for kind in ("api", "condition", "update", "notification", "delay", "approval", "archive"):
        preset = {"preset": "aha.update_user_details"} if kind == "api" else {}
        workflow = draft({"key": "odd", "kind": kind, "settings": settings, **preset})

        shown = page.get(url_of(workflow, "odd"))
        posted = save(page, url_of(workflow, "odd"), FORM)

        assert shown.status_code == 200
        assert shown.context["found"] > 0, kind
        assert posted.status_code in {200, 302}


def test_a_condition_is_written_as_rows(page: Client) -> None:
    workflow = draft({"key": "ask", "kind": "condition", "exits": {"yes": "end", "no": "end"}})
    rows = {"rules-0-field": "status", "rules-0-operator": "equals", "rules-0-value": "Active"}

    save(page, url_of(workflow, "ask"), FORM, **rows)

    rule = {"field": "status", "operator": "equals", "value": "Active"}
    assert block_of(workflow, "ask").settings == {"rules": {"all": [rule]}}


def test_a_condition_with_wrong_rules_is_saved_and_says_what_is_wrong_at_each_row(
    page: Client,
) -> None:
    """C-10: as every other block, it may be saved unfinished; Validate judges it."""
    workflow = draft({"key": "ask", "kind": "condition", "exits": {"yes": "end", "no": "end"}})
    url = url_of(workflow, "ask")
    rows = {"rules-0-field": "hire_date", "rules-0-operator": "before", "rules-0-value": "soon"}

    save(page, url, FORM, **rows)
    first = block_of(workflow, "ask").settings
    save(page, url, FORM, **{"rules-1-field": "", "rules-1-operator": "", "rules-1-value": "x"})

    assert first == {
        "rules": {"all": [{"field": "hire_date", "operator": "before", "value": "soon"}]}
    }
    told = field_of(page.get(url), "rules").widget.row_errors
    assert sorted(told) == [0, 1]
    assert told[1][0] == "Choose what is compared."
    assert read_form(page.get(url), FORM)["rules-0-value"] == "soon"


def test_a_condition_whose_field_is_gone_can_still_be_renamed(page: Client) -> None:
    """The rule stays as it is, and names what is no longer there."""
    rules = {"all": [{"field": "shoe_size", "operator": "equals", "value": "43"}]}
    workflow = draft({"key": "ask", "kind": "condition", "settings": {"rules": rules}})
    url = url_of(workflow, "ask")

    shown = text_of(page.get(url))
    save(page, url, FORM, name="Big feet")

    assert "shoe_size (no longer there)" in shown
    assert block_of(workflow, "ask").name == "Big feet"
    assert block_of(workflow, "ask").settings == {"rules": rules}


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '"all"'])
def test_nested_rules_that_are_no_json_are_refused_at_their_field(page: Client, text: str) -> None:
    nested = {"all": [{"any": [{"field": "title", "operator": "is_empty"}]}]}
    workflow = draft({"key": "ask", "kind": "condition", "settings": {"rules": nested}})

    answer = save(page, url_of(workflow, "ask"), FORM, **{"rules-text": text})

    assert answer.status_code == 200
    assert answer.context["form"].errors["rules"]
    assert block_of(workflow, "ask").settings == {"rules": nested}


def test_a_condition_offers_global_variables(page: Client) -> None:
    GlobalVariable.objects.create(key="Office", value="London")
    workflow = draft({"key": "ask", "kind": "condition"})

    assert "variables.Office" in text_of(page.get(url_of(workflow, "ask")))


def test_an_update_sets_and_clears_fields_and_names_each_once(page: Client) -> None:
    """M-24: what it may write is what is offered."""
    workflow = draft({"key": "set", "kind": "update", "exits": ENDS})
    url = url_of(workflow, "set")
    rows = {"set-0-field": "title", "set-0-value": "{{ first_name }}"}
    twice = {"set-1-field": "title", "set-1-value": "x", "set-2-value": "lost"}
    values = {**read_form(page.get(url), FORM), **rows, "set-1-variable": "", "set-2-field": ""}

    refused = page.post(url, {**values, **twice})
    page.post(url, {**values, "set-1-field": "country", "set-1-value": ""})

    said = refused.context["form"].fields["set"].widget.row_errors
    assert said[1] == ["This field is set in an earlier row already."]
    assert said[2] == ["Choose the field that is set, or empty the row."]
    assert block_of(workflow, "set").settings == {
        "set": {"title": "{{ first_name }}", "country": None}
    }
    offered = {key for key, _label in field_of(page.get(url), "set").widget.columns[0].choices}
    assert not {"username", "email", "status", "role", "employee_id", "external_id"} & offered


def test_a_delay_keeps_the_chosen_way_alone(page: Client) -> None:
    workflow = draft(
        {"key": "wait", "kind": "delay", "settings": {"for_days": 3}, "exits": {"success": "end"}}
    )
    url = url_of(workflow, "wait")

    save(page, url, FORM, way="until_field", until_field="hire_date")
    until = block_of(workflow, "wait").settings
    save(page, url, FORM, way="for_hours", for_hours="some")

    assert until == {"until_field": "hire_date"}
    assert block_of(workflow, "wait").settings == {"for_hours": "some"}
    assert mistakes_on(page.get(url), "for_hours")


def test_a_delay_of_nothing_says_so_at_the_choice(page: Client) -> None:
    """C-10: not at the last of three fields."""
    workflow = draft({"key": "wait", "kind": "delay", "exits": {"success": "end"}})

    shown = page.get(url_of(workflow, "wait"))

    assert mistakes_on(shown, "way")
    assert not mistakes_on(shown, "until_field")


@pytest.mark.parametrize(
    ("vendor", "words", "second"),
    [
        ("betterworks", "does not know any more is deactivated", False),
        ("goto", "states as suspended, disabled or inactive", True),
        ("aha", "states as suspended, disabled or inactive", True),
        ("monday", "states as suspended, disabled or inactive", True),
    ],
)
def test_a_role_block_says_the_rule_of_its_vendor(
    page: Client,
    vendor: str,
    words: str,
    second: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """BW-52..BW-54, GT-33..GT-36, AH-51, MO-34."""
    application = make_application(vendor.title(), vendor=vendor, tenant="main")
    make_saas_user(application)
    workflow = draft(application=application)
    url = f"{url_of(workflow, 'add', 'saas_user_role')}?preset={vendor}.user_role"
    shown = page.get(url)

    save(page, url, FORM, key="roles", deactivate_user="on")

    assert words in field_of(shown, "deactivate_user").help_text
    assert ("deactivate_not_found" in shown.context["form"].fields) is second
    assert "Nothing is changed at" in field_of(shown, "deactivate_user").help_text
    assert block_of(workflow, "roles").settings == {"deactivate_user": True}


# Who may what.


def test_an_auditor_looks_and_changes_nothing(auditor: User, it_admin: User) -> None:
    """M-36."""
    make_credentials()
    workflow = draft(*RICH)
    client = signed_in(auditor)

    for one in RICH:
        shown = client.get(url_of(workflow, str(one["key"])))
        html = shown.content.decode()
        assert shown.status_code == 200
        assert '<fieldset class="wf-all" disabled>' in html
        assert ">Save<" not in html
    assert client.post(url_of(workflow, "read"), {"name": "Mine"}).status_code == 403
    assert client.get(url_of(workflow, "add", "api")).status_code == 403
    assert block_of(workflow, "read").name == "Read details"


def test_hr_and_strangers_see_no_block(hr_viewer: User) -> None:
    workflow = draft(READ)
    url = url_of(workflow, "read")

    assert signed_in(hr_viewer).get(url).status_code == 403
    assert Client().get(url)["Location"].startswith("/admin/login/")


def test_an_editor_edits_but_neither_address_nor_own_requests(workflow_editor: User) -> None:
    """M-25, S-19: what is posted all the same does not arrive."""
    mine = make_credentials()
    mine.groups.add(Group.objects.get(name=groups.WORKFLOW_EDITOR))
    make_credentials("Aha secret")
    workflow = draft(
        READ, {**READ, "key": "own", "preset": "", "settings": {"request": {"url": "me"}}}
    )
    client = signed_in(workflow_editor)
    url = url_of(workflow, "read")
    shown = client.get(url)

    save(
        client,
        url,
        FORM,
        name="Edited",
        request_url="https://evil.example/",
        request_method="DELETE",
    )
    own = save(client, url_of(workflow, "own"), FORM, request_body='{"a": 1}', name="Kept")

    offered = [key for key, _label in field_of(shown, "credentials").choices if key]
    assert offered == ["Aha production"]
    assert (block_of(workflow, "read").name, block_of(workflow, "read").settings) == ("Edited", {})
    assert own.status_code == 302
    assert block_of(workflow, "own").settings == {"request": {"url": "me"}}
    assert client.get(url_of(workflow, "add", "api"), {"preset": "own"}).status_code == 403
    assert "Write an own request" not in text_of(client.get(url_of(workflow, "add", "api")))


def test_credentials_of_another_group_are_refused_at_their_field(workflow_editor: User) -> None:
    make_credentials()
    workflow = draft(READ, {"key": "close", "kind": "archive", "exits": ENDS})
    client = signed_in(workflow_editor)
    url = f"{url_of(workflow, 'add', 'api')}?preset=aha.get_user_details"

    answer = save(client, url, FORM, credentials="Aha production")

    assert answer.context["form"].errors["credentials"]
    assert len(saved(workflow).blocks) == 2


def test_an_editor_without_credentials_is_told_who_can_give_them(workflow_editor: User) -> None:
    """M-25: not a list with nothing in it and no way on."""
    make_credentials()
    url = f"{url_of(draft(), 'add', 'api')}?preset=aha.get_user_details"

    shown = text_of(signed_in(workflow_editor).get(url))

    assert "None of Aha! may be used by your groups yet. An IT admin adds some" in shown
    assert "Aha production" not in shown


def test_a_field_that_somebody_may_not_see_is_not_offered(workflow_editor: User) -> None:
    """M-36."""
    make_custom_field("Salary", visible_to_hr=False)
    workflow = draft({"key": "ask", "kind": "condition", "exits": {"yes": "end", "no": "end"}})

    shown = signed_in(workflow_editor).get(url_of(workflow, "ask"))

    assert "salary" not in shown.content.decode().casefold()


def test_who_saved_in_between_is_named_and_nothing_is_lost(page: Client, it_admin: User) -> None:
    make_credentials()
    workflow = draft(READ)
    values = read_form(page.get(url_of(workflow, "read")), FORM)
    save_definition(workflow, Definition(saved(workflow).begin), by=None, by_name="ann")
    save_definition(workflow, Definition.from_data({"blocks": [READ]}), by=None, by_name="ann")

    answer = page.post(url_of(workflow, "read"), {**values, "name": "Mine"})

    assert "ann saved version" in text_of(answer)
    assert read_form(answer, FORM)["name"] == "Mine"
    assert block_of(workflow, "read").name == "Read details"


def test_a_saved_block_does_not_run_before_it_is_activated(page: Client) -> None:
    """C-09: and the page says so."""
    make_credentials()
    workflow = draft(READ)
    activate(workflow, latest_version(workflow))

    answer = save(page, url_of(workflow, "read"), FORM, name="Later", stay="1")

    assert answer["Location"] == url_of(workflow, "read")
    shown = text_of(page.get(answer["Location"]))
    assert "Version 1 stays the one that runs until you activate version 2." in shown
    assert workflow.active_version is not None
    assert read_definition(workflow.active_version).blocks[0].name == "Read details"


def test_a_preset_that_is_gone_is_named_and_keeps_its_inputs(page: Client) -> None:
    make_credentials()
    workflow = draft({**READ, "preset": "aha.former", "settings": {"inputs": {"a": "b"}}})
    url = url_of(workflow, "read")

    shown = text_of(page.get(url))
    save(page, url, FORM, name="Other")

    assert "There is no preset “aha.former” any more." in shown
    kept = block_of(workflow, "read")
    assert (kept.preset, kept.settings, kept.name) == (
        "aha.former",
        {"inputs": {"a": "b"}},
        "Other",
    )


def test_what_people_typed_is_shown_as_text(page: Client) -> None:
    nasty = "<script>alert(1)</script>"
    make_credentials(nasty)
    workflow = draft(
        {
            **READ,
            "name": nasty,
            "credentials": nasty,
            "settings": {"request": {"params": {nasty: nasty}, "body": {nasty: nasty}}},
        },
        name=nasty,
    )

    assert nasty not in page.get(url_of(workflow, "read")).content.decode()


def test_a_page_asks_as_much_of_the_database_for_many_blocks(page: Client) -> None:
    make_credentials()
    few, many = draft(READ), draft(READ, *({**READ, "key": f"b{n}"} for n in range(40)))
    for number in range(10):
        make_credentials(f"Aha {number}", secret=f"canary-71c{number}")
    page.get(url_of(few, "read"))

    asked = []
    for workflow in (few, many):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page.get(url_of(workflow, "read"))
        asked.append(len(queries))

    assert asked == [18, 18]


@pytest.mark.parametrize("key", ["archive", "activate", "add", "change", "history", "versions"])
def test_a_block_may_have_the_name_of_an_action_as_its_key(page: Client, key: str) -> None:
    workflow = draft({"key": key, "kind": "archive", "exits": ENDS})

    assert page.get(url_of(workflow, key)).context["place"].key == key


def test_a_warning_forbids_nothing_and_says_so(page: Client) -> None:
    """GT-13: a template may name what people may not have yet."""
    make_credentials()
    make_custom_field()
    make_variable()
    shown = page.get(url_of(draft(READ), "read"))
    rows = [{"from": "{{ response.user.id }}", "to": "variables.n"}]
    sets = {
        **READ,
        "settings": {"response": {"positive": rows}},
        "exits": {"success": "set", "failure": "set"},
    }
    update = {"key": "set", "kind": "update", "settings": {"set": {"title": "{{ variables.n }}"}}}
    noted = page.get(url_of(draft(sets, {**update, "exits": ENDS}), "set"))

    assert (shown.context["found"], shown.context["noted"]) == (0, 0)
    assert (noted.context["found"], noted.context["noted"]) == (0, 1)
    assert "can be activated all the same" in text_of(noted)
