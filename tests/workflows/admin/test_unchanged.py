"""A page that is saved as it was shown changes nothing; what cannot be kept is said, never cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from tests.makers import make_credentials, make_custom_field
from tests.workflows.makers import make_workflow
from workflows.definition import BlockPart
from workflows.editing import describe, latest_version
from workflows.models import Workflow
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db
FORM = "block_form"
BEGIN_FORM = "workflow_form"
ENDS = {"success": "end", "failure": "end"}
NOTHING = ["Nothing was changed, so nothing was saved."]
ADDRESSES = [f"somebody.number{number}@example.com" for number in range(60)]


def rule(value: Any, operator: str = "equals", field: str = "title") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


RULES: dict[str, Any] = {
    "a long list": {"all": [rule(ADDRESSES, "not_in", "email")]},
    "many rows": {"any": [rule(f"Title {number}") for number in range(120)]},
    "an item with a comma": {"all": [rule(["Research, Development", "IT"], "not_in")]},
    "items with quotes": {"all": [rule(['24" screen', '"Head"', " x ", "a\nb"], "in")]},
    "a number": {"all": [rule(50_000)]},
    "a number and its text": {"any": [rule(5), rule("5"), rule(5.0)]},
    "numbers in a list": {"all": [rule([1, 2, True], "in")]},
    "a switch": {"all": [rule(True), rule("is there", "is_not_empty") | {"value": ""}]},
    "one text for a list": {"all": [rule("Head, Deputy", "in")]},
    "two lines": {"all": [rule("Line 1\nLine 2")]},
    "space around": {"all": [rule("  Head ")]},
    "a list of rows": [rule("Head"), rule(7)],
    "a row alone": rule(7),
    "nested": {"all": [rule("Head"), {"any": [rule(7), rule("a\nb")]}]},
}
UNFINISHED: dict[str, Any] = {
    "an operator that there is not": {"all": [rule("Head", "equalz"), rule(7)]},
    "no operator": {"all": [{"field": "title"}, rule(7)]},
    "a key too many": {"all": [{**rule("Head"), "note": "x"}]},
    "more than may run": {"all": [rule(f"Title {number}") for number in range(250)]},
    "a group that is no list": {"all": 5},
    "words of the form": {"rows": 5},
}


def url_of(workflow: Workflow, key: str = "one") -> str:
    return f"/admin/workflows/workflow/{workflow.pk}/blocks/{key}/"


def begin_of(workflow: Workflow) -> str:
    return f"/admin/workflows/workflow/{workflow.pk}/change/"


def draft(kind: str, settings: Any, **more: Any) -> Workflow:
    return make_workflow([{"key": "one", "kind": kind, "settings": settings, **more}], active=False)


def saved(workflow: Workflow) -> BlockPart:
    found = read_definition(latest_version(workflow)).find("one")
    assert found is not None
    return found


def as_text(workflow: Workflow) -> str:
    """Everything with its types: for Python true is 1."""
    return json.dumps(read_definition(latest_version(workflow)).as_data())


def assert_nothing_changes(page: Client, workflow: Workflow, url: str, form: str) -> None:
    before, number = as_text(workflow), latest_version(workflow).number

    answer = save(page, url, form)

    assert answer.status_code == 302, text_of(answer)
    assert messages_of(page, answer) == NOTHING
    assert as_text(workflow) == before
    assert latest_version(workflow).number == number


# Rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
def test_rules_of_begin_that_are_saved_as_shown_stay_as_they_are(
    admin_page: Client, name: str
) -> None:
    workflow = make_workflow([], begin={"rules": RULES[name]}, active=False)

    assert_nothing_changes(admin_page, workflow, begin_of(workflow), BEGIN_FORM)


@pytest.mark.parametrize("name", [*RULES, *UNFINISHED])
def test_rules_of_a_condition_that_are_saved_as_shown_stay_as_they_are(
    admin_page: Client, name: str
) -> None:
    workflow = draft("condition", {"rules": {**RULES, **UNFINISHED}[name]})

    assert_nothing_changes(admin_page, workflow, url_of(workflow), FORM)


def test_a_row_that_is_changed_leaves_the_others_as_they_are(admin_page: Client) -> None:
    rules = {"all": [rule(["a, b", "c"], "in"), rule("Head"), rule(7)]}
    workflow = draft("condition", {"rules": rules})

    save(admin_page, url_of(workflow), FORM, **{"rules-1-value": "Deputy"})

    rules["all"][1] = rule("Deputy")
    kept = saved(workflow).settings
    assert json.dumps(kept, sort_keys=True) == json.dumps({"rules": rules}, sort_keys=True)


def test_an_item_with_a_comma_is_shown_and_typed_in_quotes(admin_page: Client) -> None:
    rules = {"all": [rule(["Research, Development", "IT"], "not_in")]}
    workflow = draft("condition", {"rules": rules})
    shown = read_form(admin_page.get(url_of(workflow)), FORM)["rules-0-value"]

    save(admin_page, url_of(workflow), FORM, **{"rules-0-value": f'{shown}, 24" screens'})

    assert shown == '"Research, Development", IT'
    assert saved(workflow).settings["rules"]["all"][0]["value"] == [
        "Research, Development",
        "IT",
        '24" screens',
    ]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ('IT,\t"Research, Development"', ["IT", "Research, Development"]),
        ('IT ,\u00a0 "Research, Development"\t, HR', ["IT", "Research, Development", "HR"]),
        ('\t"a,\t""b"""\r\n\t"c\nd" ', ['a,\t"b"', "c\nd"]),
        (',, a ,"",\t,b"c" d,', ["a", 'b"c" d']),
    ],
)
def test_blanks_around_the_items_of_a_list_do_not_count(
    admin_page: Client, typed: str, kept: list[str]
) -> None:
    workflow = draft("condition", {"rules": {"all": [rule(["x"], "in")]}})

    save(admin_page, url_of(workflow), FORM, **{"rules-0-value": typed})

    assert saved(workflow).settings["rules"]["all"][0]["value"] == kept


def test_a_rule_on_a_hidden_field_forbids_no_save_of_whoever_left_it(editor_page: Client) -> None:
    """M-36: the editor changes something else, and not even the type of what they cannot see."""
    make_custom_field("Salary", visible_to_hr=False)
    rules = {"all": [rule(50_000, field="salary")]}
    workflow = make_workflow([], begin={"rules": rules}, active=False)

    answer = save(editor_page, begin_of(workflow), BEGIN_FORM, records="all")

    begin = read_definition(latest_version(workflow)).begin
    assert answer.status_code == 302
    assert (begin.records, begin.rules) == ("all", rules)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * 100_001, "Value: has 100,001 characters; at most 100,000 are kept"),
        ("a\x00b", "Value: holds the character NUL; remove it"),
        ('IT, "Research, Development', "Value: holds a quote that does not end an item"),
        ('IT,\t"Research" and, HR', "Value: holds a quote that does not end an item"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_at_its_row(
    admin_page: Client, value: str, said: str
) -> None:
    rules = {"all": [rule("Head"), rule(["IT"], "in")]}
    asks = {"key": "one", "kind": "condition", "settings": {"rules": rules}}
    workflow = make_workflow([asks], begin={"rules": rules}, active=False)
    before = as_text(workflow)

    for url, form in ((begin_of(workflow), BEGIN_FORM), (url_of(workflow), FORM)):
        answer = save(admin_page, url, form, **{"rules-1-value": value})

        field = answer.context["form"].fields["rules"]
        assert list(field.widget.row_errors) == [1]
        assert field.widget.row_errors[1][0].startswith(said)
        assert said in text_of(answer)
    assert as_text(workflow) == before


def test_one_rule_too_many_is_refused_and_none_is_dropped(admin_page: Client) -> None:
    rules = {"all": [rule(f"Title {number}") for number in range(200)]}
    asks = {"key": "one", "kind": "condition", "settings": {"rules": rules}}
    workflow = make_workflow([asks], begin={"rules": rules}, active=False)
    before = as_text(workflow)
    row = {"rules-200-field": "title", "rules-200-operator": "equals", "rules-200-value": "x"}

    for url, form in ((begin_of(workflow), BEGIN_FORM), (url_of(workflow), FORM)):
        answer = save(admin_page, url, form, **row)

        errors = answer.context["form"].errors["rules"]
        assert errors == ["There are 201 rules; at most 200 are taken."]
        assert read_form(answer, form)["rules-200-value"] == "x"
    assert as_text(workflow) == before


@pytest.mark.parametrize("depth", range(100, 1_000, 50))
def test_rules_that_are_nested_deep_are_refused_in_words(admin_page: Client, depth: int) -> None:
    rules = {"all": [{"any": [rule("Head")]}]}
    asks = {"key": "one", "kind": "condition", "settings": {"rules": rules}}
    workflow = make_workflow([asks], begin={"rules": rules}, active=False)
    before = as_text(workflow)
    texts = ["[" * depth + "]" * depth, '{"all": [' * depth + "]}" * depth]

    for url, form in ((begin_of(workflow), BEGIN_FORM), (url_of(workflow), FORM)):
        for text in texts:
            answer = save(admin_page, url, form, **{"rules-text": text})

            (said,) = answer.context["form"].errors["rules"]
            assert said in {
                "This is nested more than 40 deep: make it flatter.",
                "This is not JSON.",
            }
        assert admin_page.get(url).status_code == 200
    assert as_text(workflow) == before


# Rows -------------------------------------------------------------------------------------------


MANY = {f"variables.v{number}": f"{number}" for number in range(120)}
PAIRS = {f"name{number}": number for number in range(120)}
MAPPINGS = [{"from": f"{{{{ response.a{n} }}}}", "to": f"variables.v{n}"} for n in range(120)]
LINES = "Line 1\nLine 2"
CALL = {"preset": "aha.update_user_details", "credentials": "Aha production"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("update", {"set": MANY}),
        ("update", {"set": {"title": LINES, "country": 5, "variables.a": [1, {"b": "c\nd"}]}}),
        ("update", {"set": {"title": f"\n{LINES}\n", "country": None, "city": ""}}),
        ("update", {"set": {"title": "a\r\nb"}}),
        ("api", {"request": {"params": PAIRS, "headers": PAIRS}}),
        ("api", {"request": {"params": {"note": LINES}, "headers": {"X-Note": LINES}}}),
        ("api", {"inputs": {"first_name": LINES}}),
        ("api", {"response": {"positive": MAPPINGS, "negative": MAPPINGS}}),
        ("api", {"response": {"positive": [{"from": f" {LINES}", "to": "variables.x"}]}}),
        (
            "notification",
            {"recipients": ["it@example.com"], "subject": "Hi", "message": f"\n{LINES}\n"},
        ),
        ("notification", {"recipients": ["it@example.com"], "subject": LINES, "message": "a\r\nb"}),
        ("notification", {"recipients": ["it@example.com"]}),
        ("notification", {}),
        ("approval", {"approvers": ["it-admin"], "message": f"{LINES}\r\n"}),
        ("approval", {"approvers": ["it-admin"]}),
        ("approval", {}),
    ],
)
def test_settings_that_are_saved_as_shown_stay_as_they_are(
    admin_page: Client, kind: str, settings: Any
) -> None:
    make_credentials("Aha production")
    workflow = draft(kind, settings, **(CALL if kind == "api" else {}))

    assert_nothing_changes(admin_page, workflow, url_of(workflow), FORM)


@pytest.mark.parametrize(
    ("preset", "inputs"),
    [
        ("aha.update_user_details", {"enabled": "yes", "administrator": "OFF"}),
        ("aha.update_user_details", {"enabled": True, "administrator": " {{ variables.x }} "}),
        ("aha.update_user_details", {"first_name": " x ", "last_name": 5}),
        ("aha.update_user_details", {"first_name": "", "last_name": None, "enabled": ""}),
        ("aha.update_user_details", {"first_name": ["a", 1], "last_name": {"b": [True]}}),
        ("goto.add_users", {"license_keys": [11, 12]}),
        ("goto.add_users", {"license_keys": "{{ variables.groups }}"}),
        ("goto.add_users", {"license_keys": "11, 12", "email_text": "a\r\nb\r\n"}),
        ("goto.add_users", {"license_keys": [" 11 ", "", "1\n2", {"a": 1}]}),
        ("goto.add_users", {"license_keys": [], "admin_roles": [], "email_text": " x "}),
        ("goto.add_users", {"admin_roles": "{{ variables.groups }}"}),
        ("goto.add_users", {"admin_roles": ["RUN_REPORTS", "GONE", "SUPER_USER", "GONE", 7]}),
        ("goto.add_users", {"email": "{{ email }}", "suppress_email": False}),
        ("goto.update_user", {"locale": " xx_XX ", "time_zone": " Europe/London", "email": True}),
    ],
)
def test_inputs_that_are_saved_as_shown_stay_as_they_are(
    admin_page: Client, preset: str, inputs: dict[str, Any]
) -> None:
    """GT-23: files and older presets may hold them in other words than a form sends."""
    make_credentials("Aha production")
    make_credentials("GoTo", vendor="goto")
    credentials = "GoTo" if preset.startswith("goto") else "Aha production"
    settings = {"inputs": inputs}
    workflow = draft("api", settings, preset=preset, credentials=credentials)

    assert_nothing_changes(admin_page, workflow, url_of(workflow), FORM)


def test_a_list_that_was_given_as_numbers_is_typed_anew(admin_page: Client) -> None:
    make_credentials("GoTo", vendor="goto")
    call = {"preset": "goto.add_users", "credentials": "GoTo"}
    inputs = {"license_keys": [11, 12], "admin_roles": ["RUN_REPORTS"], "email": "a@example.com"}
    workflow = draft("api", {"inputs": inputs}, **call)

    typed = {"input_license_keys": "11\n13", "input_email": "{{ email }}"}
    save(admin_page, url_of(workflow), FORM, **typed)

    kept = {"license_keys": ["11", "13"], "admin_roles": ["RUN_REPORTS"]}
    assert saved(workflow).settings["inputs"] == kept


def test_a_name_is_changed_and_a_value_of_two_lines_stays(admin_page: Client) -> None:
    """A cell that holds a line break has room for it; an input would lose it."""
    workflow = draft("update", {"set": {"title": LINES, "country": "Line"}})

    shown = admin_page.get(url_of(workflow)).content.decode()
    save(admin_page, url_of(workflow), FORM, name="Note it")

    assert '<textarea class="rc-textarea rc-short" name="set-0-value"' in shown
    assert 'for="set-0-value"' in shown or 'for="id_set-0-value"' in shown
    assert '<input class="rc-input" name="set-1-value"' in shown
    assert saved(workflow).name == "Note it"
    assert saved(workflow).settings == {"set": {"title": LINES, "country": "Line"}}


def test_what_is_typed_in_lines_is_kept_with_plain_breaks(admin_page: Client) -> None:
    workflow = draft("notification", {"recipients": ["it@example.com"], "message": "Hi"})

    save(admin_page, url_of(workflow), FORM, message="Hello\nthere")

    assert saved(workflow).settings["message"] == "Hello\nthere"


def test_a_description_of_two_lines_stays_as_it_is(admin_page: Client) -> None:
    workflow = draft("update", {"set": {"title": "x"}})
    describe(workflow, LINES)

    assert_nothing_changes(admin_page, workflow, begin_of(workflow), BEGIN_FORM)
    workflow.refresh_from_db()
    assert workflow.description == LINES


@pytest.mark.parametrize(
    ("kind", "name", "columns"),
    [
        ("update", "set", {"field": "=variable", "variable": "v", "value": "x"}),
        ("api", "request_params", {"name": "n", "value": "x"}),
        ("api", "request_headers", {"name": "n", "value": "x"}),
        ("api", "response_positive", {"from": "x", "to": "=variable", "variable": "v"}),
    ],
)
def test_one_row_too_many_is_refused_and_none_is_dropped(
    admin_page: Client, it_admin: User, kind: str, name: str, columns: dict[str, str]
) -> None:
    make_credentials("Aha production")
    workflow = draft(kind, {}, **(CALL if kind == "api" else {}))
    before = as_text(workflow)
    rows = {
        f"{name}-{number}-{column}": f"{text}{number}" if text in {"n", "v"} else text
        for number in range(101)
        for column, text in columns.items()
    }

    answer = save(admin_page, url_of(workflow), FORM, **rows)

    errors = answer.context["form"].errors[name]
    assert errors == ["There are 101 rows; at most 100 are taken."]
    assert all(read_form(answer, FORM)[key] == value for key, value in rows.items())
    assert as_text(workflow) == before
