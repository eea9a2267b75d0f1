"""The rules of an integration on its page: saved as shown they stay, and nothing is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from integrations.models import Integration
from tests.integrations.admin.pages import read_form, save, text_of
from tests.makers import make_integration

pytestmark = pytest.mark.django_db
FORM = "integration_form"
ADDRESSES = [f"somebody.number{number}@example.com" for number in range(60)]


def rule(value: Any, operator: str = "equals", field: str = "name") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def page_of(integration: Integration) -> str:
    return f"/admin/integrations/integration/{integration.pk}/change/"


def errors_of(answer: Any) -> Any:
    return answer.context["adminform"].form.errors["filters"]


@pytest.mark.parametrize(
    "filters",
    [
        {"all": [rule(ADDRESSES, "not_in", "email")]},
        {"any": [rule(f"Name {number}") for number in range(120)]},
        {"all": [rule(f"Name {number}") for number in range(250)]},
        {"all": [rule(["Research, Development", "IT"], "not_in")]},
        {"all": [rule(50_000), rule("50000"), rule("Line 1\nLine 2")]},
        [rule(7), rule("true", field="is_enabled")],
        rule(7),
        {"all": [rule(7), {"any": [rule("a\nb")]}]},
    ],
)
def test_rules_that_are_saved_as_shown_stay_as_they_are(admin_page: Client, filters: Any) -> None:
    """M-1: nor does the next sync look again."""
    integration = make_integration(filters=filters)

    answer = save(admin_page, page_of(integration), FORM, name="Renamed")

    integration.refresh_from_db()
    assert answer.status_code == 302, text_of(answer)
    assert integration.name == "Renamed"
    assert json.dumps(integration.filters, sort_keys=True) == json.dumps(filters, sort_keys=True)
    assert integration.revision == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * 100_001, "Value: has 100,001 characters; at most 100,000 are kept"),
        ("a\x00b", "Value: holds the character NUL; remove it"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_at_its_row(
    admin_page: Client, value: str, said: str
) -> None:
    integration = make_integration(filters={"all": [rule("Ann"), rule("Bob")]})

    answer = save(admin_page, page_of(integration), FORM, **{"filters-1-value": value})

    integration.refresh_from_db()
    field = answer.context["adminform"].form.fields["filters"]
    assert field.widget.row_errors == {1: [said]}
    assert said in text_of(answer)
    assert integration.filters == {"all": [rule("Ann"), rule("Bob")]}


def test_one_rule_too_many_is_refused_and_none_is_dropped(admin_page: Client) -> None:
    filters = {"all": [rule(f"Name {number}") for number in range(200)]}
    integration = make_integration(filters=filters)
    row = {"filters-200-field": "name", "filters-200-operator": "equals", "filters-200-value": "x"}

    answer = save(admin_page, page_of(integration), FORM, **row)

    integration.refresh_from_db()
    assert errors_of(answer) == ["There are 201 rules; at most 200 are taken."]
    assert read_form(answer, FORM)["filters-200-value"] == "x"
    assert integration.filters == filters


def nested_rule(value: str) -> str:
    return f'{{"all": [{{"any": [{{"field": "name", "operator": "equals", "value": {value}}}]}}]}}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((part * 200 + end * 200, "40 deep") for part, end in (("[", "]"), ('{"all": [', "]}"))),
        *((part * 900 + end * 900, "") for part, end in (("[", "]"), ('{"all": [', "]}"))),
        (nested_rule('"a\\u0000"'), "NUL"),
        (nested_rule('"\\ud800"'), "half of a character"),
        (nested_rule("NaN"), "not a number"),
        (nested_rule("1e999"), "not a number"),
    ],
)
def test_strange_nested_rules_are_refused_in_words(
    admin_page: Client, text: str, said: str
) -> None:
    nested = {"all": [{"any": [rule("Ann")]}]}
    integration = make_integration(filters=nested)

    answer = save(admin_page, page_of(integration), FORM, **{"filters-text": text})

    integration.refresh_from_db()
    assert said in errors_of(answer)[0]
    assert integration.filters == nested
    assert admin_page.get(page_of(integration)).status_code == 200
