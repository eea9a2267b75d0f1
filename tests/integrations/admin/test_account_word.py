"""The word for an account that its vendor never names (M-1), on the page of credentials."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import Credentials, Integration
from tests.integrations.admin.pages import read_form, save, text_of
from tests.makers import make_credentials, make_integration

pytestmark = pytest.mark.django_db
ADD = "/admin/integrations/credentials/add/?vendor={}&type=api_key"
FORM = "credentials_form"


def change(row: Credentials) -> str:
    return reverse("admin:integrations_credentials_change", args=(row.pk,))


def make_launched(credentials: Credentials, tenant: str) -> Integration:
    return make_integration(
        "Betterworks users", vendor="betterworks", inputs={}, credentials=credentials,
        state="active", tenant=tenant,
    )  # fmt: skip


def test_credentials_can_be_given_a_word_for_their_account(admin_page: Client) -> None:
    """BW-06: and without one, none is stored."""
    save(
        admin_page, ADD.format("betterworks"), FORM, name="Berlin", value="t0ken", tenant=" berlin "
    )
    save(admin_page, ADD.format("betterworks"), FORM, name="Main", value="t0ken")

    words = dict(Credentials.objects.values_list("name", "tenant"))
    assert words == {"Berlin": "berlin", "Main": None}


def test_vendors_that_say_which_account_it_is_ask_for_no_word(admin_page: Client) -> None:
    assert "tenant" not in read_form(admin_page.get(ADD.format("aha")), FORM)


@pytest.mark.parametrize("typed", ["paris", ""])
def test_the_word_of_a_launched_account_is_kept(admin_page: Client, typed: str) -> None:
    """M-1: accounts and limits hang on it."""
    row = make_credentials("Berlin", vendor="betterworks", tenant="berlin")
    make_launched(row, "berlin")

    answer = save(admin_page, change(row), FORM, tenant=typed)

    row.refresh_from_db()
    assert row.tenant == "berlin"
    assert "was launched with these credentials for the account" in text_of(answer)


def test_main_may_be_written_out_after_the_launch(admin_page: Client) -> None:
    row = make_credentials("Main", vendor="betterworks")
    make_launched(row, "main")

    answer = save(admin_page, change(row), FORM, tenant="main")

    row.refresh_from_db()
    assert (answer.status_code, row.tenant) == (302, "main")
