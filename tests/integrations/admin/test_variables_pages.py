"""Global variables in the admin, and how far a change of one reaches."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import GlobalVariable, Integration
from integrations.services import effective_inputs
from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from tests.makers import make_integration, make_variable

pytestmark = pytest.mark.django_db
LIST = "/admin/integrations/globalvariable/"
FORM = "globalvariable_form"


def test_a_variable_is_added_and_listed(admin_page: Client) -> None:
    """AH-08, C-02: the list says which inputs it pre-fills."""
    answer = save(admin_page, f"{LIST}add/", FORM, key="Aha.Subdomain", value="mycompany")

    assert answer.status_code == 302
    assert GlobalVariable.objects.get().value == "mycompany"
    assert "Subdomain of Aha!" in text_of(admin_page.get(LIST))


@pytest.mark.parametrize(
    "pasted",
    ["https://mycompany.aha.com", "https://mycompany.aha.io/", "MyCompany.aha.io/products?x=1"],
)
def test_a_pasted_address_becomes_the_name_of_the_account(admin_page: Client, pasted: str) -> None:
    """AH-09, AH-10: with a message that says what was kept."""
    answer = save(admin_page, f"{LIST}add/", FORM, key="Aha.Subdomain", value=pasted)

    assert GlobalVariable.objects.get().value == "mycompany"
    assert any("mycompany" in told for told in messages_of(admin_page, answer))


@pytest.mark.parametrize(
    "typed", ["my company", "https://aha.io", "https://evil.example/", "secure"]
)
def test_what_cannot_be_a_sub_domain_is_refused_on_its_field(
    admin_page: Client, typed: str
) -> None:
    """AH-10."""
    answer = save(admin_page, f"{LIST}add/", FORM, key="Aha.Subdomain", value=typed)

    assert "value" in answer.context["adminform"].form.errors
    assert not GlobalVariable.objects.exists()


def test_other_variables_are_kept_as_they_are_typed(admin_page: Client) -> None:
    save(admin_page, f"{LIST}add/", FORM, key="Greeting", value="https://mycompany.aha.com")

    assert GlobalVariable.objects.get().value == "https://mycompany.aha.com"


@pytest.mark.parametrize("key", ["1st", "Aha.", ".Aha", "Aha Subdomain", "Aha-Subdomain"])
def test_a_key_that_templates_could_not_name_is_refused(admin_page: Client, key: str) -> None:
    answer = save(admin_page, f"{LIST}add/", FORM, key=key, value="x")

    assert "key" in answer.context["adminform"].form.errors


def integration_page(integration: Integration) -> str:
    return f"/admin/integrations/integration/{integration.pk}/change/"


def test_the_input_of_an_integration_begins_with_the_variable(admin_page: Client) -> None:
    """AH-11, AH-23."""
    make_variable(value="mycompany")
    integration = make_integration(inputs={})

    page = admin_page.get(integration_page(integration))

    assert read_form(page, "integration_form")["input_subdomain"] == "mycompany"
    assert "from the global variable Aha.Subdomain" in text_of(page)


def test_an_integration_that_is_saved_untouched_follows_the_variable(admin_page: Client) -> None:
    """AH-12."""
    variable = make_variable(value="mycompany")
    integration = make_integration(inputs={})
    save(admin_page, integration_page(integration), "integration_form")
    variable.value = "othercompany"
    variable.save()

    integration.refresh_from_db()

    assert integration.inputs == {}
    assert effective_inputs("aha", integration.inputs) == {"subdomain": "othercompany"}


def test_another_value_overrides_the_variable_there_only(admin_page: Client) -> None:
    """AH-11: and a pasted address is made short here too."""
    make_variable(value="mycompany")
    integration = make_integration(inputs={})
    neighbour = make_integration("Another load", inputs={})

    answer = save(
        admin_page,
        integration_page(integration),
        "integration_form",
        input_subdomain="https://testcompany.aha.io/",
    )

    integration.refresh_from_db()
    assert integration.inputs == {"subdomain": "testcompany"}
    assert effective_inputs("aha", neighbour.inputs) == {"subdomain": "mycompany"}
    assert any("testcompany" in told for told in messages_of(admin_page, answer))


def test_only_it_admins_reach_variables(open_as: Any, hr_viewer: User, auditor: User) -> None:
    """S-08."""
    variable = make_variable()

    for user in (hr_viewer, auditor):
        client = open_as(user)
        for page in (LIST, f"{LIST}add/", f"{LIST}{variable.pk}/change/"):
            assert client.get(page).status_code == 403
            assert client.post(page, {"key": "X", "value": "x"}).status_code == 403
    assert GlobalVariable.objects.get().value == "mycompany"


def test_history_names_who_changed_the_value(admin_page: Client) -> None:
    variable = make_variable()
    save(admin_page, f"{LIST}{variable.pk}/change/", FORM, value="othercompany")

    page = text_of(admin_page.get(f"{LIST}{variable.pk}/history/"))

    assert "it-admin" in page
    assert "mycompany → othercompany" in page
