"""Edits of credentials are kept although the secret, which is read late, is not typed again."""

from __future__ import annotations

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from integrations import secrets
from integrations.models import Credentials
from tests.integrations.admin.pages import save
from tests.makers import AHA_KEY, make_credentials

pytestmark = pytest.mark.django_db


def test_opening_the_secret_puts_no_old_value_back_over_an_edit() -> None:
    row = Credentials.objects.get(pk=make_credentials().pk)
    row.base_url, row.tenant = "https://mycompany.aha.io/api/v2", "other"

    opened = secrets.open_sealed(row)

    assert opened == {"value": AHA_KEY}
    assert (row.base_url, row.tenant) == ("https://mycompany.aha.io/api/v2", "other")


def test_what_is_changed_beside_the_secret_is_saved(admin_page: Client) -> None:
    row = make_credentials()
    url = reverse("admin:integrations_credentials_change", args=(row.pk,))
    new = {"base_url": "https://mycompany.aha.io/api/v2", "expires_on": "2027-01-31"}

    answer = save(admin_page, url, "credentials_form", **new)

    saved = Credentials.objects.get()
    assert answer.status_code == 302
    assert (saved.base_url, saved.expires_on) == (new["base_url"], date(2027, 1, 31))
    assert secrets.open_sealed(saved) == {"value": AHA_KEY}
