"""What is inferred about a vendor: seen with its evidence, corrected for some credentials."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from integrations.admin import reauth
from integrations.configuration import export_text
from integrations.facts import facts_of, refusals
from integrations.forms.facts import FactsForm
from integrations.models import Credentials
from integrations.registry import Vendor, get_vendor, vendors
from integrations.services import access_for
from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from tests.makers import AHA_KEY, make_credentials

pytestmark = pytest.mark.django_db
FORM = "facts-form"
PAGE_SIZE = "loads.users.paging.page_size"


def facts_url(row: Credentials) -> str:
    return reverse("admin:integrations_credentials_facts", args=(row.pk,))


def field_of(row: Credentials, path: str) -> str:
    """The name of the field for a fact."""
    paths = [fact.path for fact in facts_of(get_vendor(row.vendor), row.overrides)]
    return f"fact_{paths.index(path)}"


def connected(**fields: Any) -> Credentials:
    return make_credentials(test_state=Credentials.Test.CONNECTED, test_message="ok", **fields)


@pytest.mark.parametrize("vendor", list(vendors().values()), ids=lambda vendor: vendor.key)
def test_every_inferred_fact_is_listed_with_its_evidence_and_value(
    admin_page: Client, vendor: Vendor
) -> None:
    row = make_credentials(vendor=vendor.key, type=vendor.manifest.auth.types[0])

    page = text_of(admin_page.get(facts_url(row)))

    facts = facts_of(vendor, {})
    assert len(facts) == len(vendor.inferred)
    for fact in facts:
        assert fact.path in page
        assert " ".join(fact.evidence.split()) in page
        assert " ".join(fact.folder_text.split()) in page


def test_the_page_of_the_credentials_leads_to_their_facts(admin_page: Client) -> None:
    row = make_credentials(overrides={PAGE_SIZE: 100})
    change = reverse("admin:integrations_credentials_change", args=(row.pk,))

    page = admin_page.get(change)

    assert facts_url(row) in page.content.decode()
    assert "1 is corrected for these credentials" in text_of(page)


def test_a_correction_counts_for_these_credentials_only_and_asks_for_a_test(
    admin_page: Client,
) -> None:
    row, other = connected(), connected(name="Another key")

    answer = save(admin_page, facts_url(row), FORM, **{field_of(row, PAGE_SIZE): "50"})

    assert "Test the credentials again" in messages_of(admin_page, answer)[0]
    row, other = Credentials.objects.get(pk=row.pk), Credentials.objects.get(pk=other.pk)
    assert row.overrides == {PAGE_SIZE: 50}
    assert (row.test_state, other.test_state) == ("untested", "connected")
    assert other.overrides == {}
    used = get_vendor("aha").corrected(access_for(row).overrides)
    assert getattr(used.load("users").paging, "page_size", None) == 50


def test_an_emptied_field_goes_back_to_the_folder(admin_page: Client) -> None:
    row = connected(overrides={PAGE_SIZE: 50})
    assert read_form(admin_page.get(facts_url(row)), FORM)[field_of(row, PAGE_SIZE)].strip() == "50"

    save(admin_page, facts_url(row), FORM, **{field_of(row, PAGE_SIZE): ""})

    row.refresh_from_db()
    assert row.overrides == {}
    assert row.test_state == "untested"


def test_saving_without_a_change_leaves_the_test_as_it_was(admin_page: Client) -> None:
    row = connected(overrides={PAGE_SIZE: 50})
    versions = row.history.count()

    answer = save(admin_page, facts_url(row), FORM)

    assert messages_of(admin_page, answer) == ["Nothing was changed."]
    row.refresh_from_db()
    assert (row.test_state, row.overrides) == ("connected", {PAGE_SIZE: 50})
    assert row.history.count() == versions


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("many", "integer"),
        ("0", "greater than or equal to 1"),
        ("[1", "cannot be read as YAML or JSON"),
        ("{a: *b}", "aliases"),
        ("2026-01-01", "plain values"),
        ("null", "integer"),
    ],
)
def test_a_value_that_cannot_be_is_refused_on_its_own_field(
    admin_page: Client, typed: str, why: str
) -> None:
    row = connected()
    name = field_of(row, PAGE_SIZE)
    values = {**read_form(admin_page.get(facts_url(row)), FORM), name: typed}

    answer = admin_page.post(facts_url(row), values)

    errors = answer.context["form"].errors
    assert list(errors) == [name]
    assert why in errors[name][0]
    row.refresh_from_db()
    assert (row.overrides, row.test_state) == ({}, "connected")


@pytest.mark.parametrize("typed", ['["a\\0b"]', '["\\ud800"]', "[.nan]", "[.inf]"])
def test_what_no_database_stores_is_refused_on_its_own_field(
    admin_page: Client, typed: str
) -> None:
    row = make_credentials(vendor="bamboohr")
    name = field_of(row, "loads.employees.status.active")

    answer = admin_page.post(facts_url(row), {name: typed})

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [name]
    row.refresh_from_db()
    assert row.overrides == {}


def test_a_list_is_typed_as_yaml_and_text_as_it_is(admin_page: Client) -> None:
    row = make_credentials(vendor="bamboohr")
    active = "loads.employees.status.active"
    reference = "loads.employees.fields.supervisor_id.reference"

    save(
        admin_page,
        facts_url(row),
        FORM,
        **{field_of(row, active): "- Aktiv\n- Active", field_of(row, reference): "external_id"},
    )

    row.refresh_from_db()
    assert row.overrides == {active: ["Aktiv", "Active"], reference: "external_id"}
    shown = read_form(admin_page.get(facts_url(row)), FORM)
    assert shown[field_of(row, active)].strip() == "- Aktiv\n- Active"


def test_corrections_are_in_the_history_with_who_made_them(admin_page: Client) -> None:
    row = connected()

    save(admin_page, facts_url(row), FORM, **{field_of(row, PAGE_SIZE): "50"})

    version = row.history.first()
    assert version.overrides == {PAGE_SIZE: 50}
    assert version.history_user.get_username() == "it-admin"
    history = admin_page.get(reverse("admin:integrations_credentials_history", args=(row.pk,)))
    assert PAGE_SIZE in text_of(history)
    assert PAGE_SIZE in LogEntry.objects.get().change_message


def test_a_configuration_file_shows_the_same_corrections(admin_page: Client) -> None:
    row = connected()

    save(admin_page, facts_url(row), FORM, **{field_of(row, PAGE_SIZE): "50"})

    assert f"{PAGE_SIZE}: 50" in export_text()


def test_a_correction_that_the_folder_no_longer_knows_is_named_and_goes_with_saving(
    admin_page: Client,
) -> None:
    row = connected(overrides={"loads.users.gone": 3, PAGE_SIZE: 50})

    page = text_of(admin_page.get(facts_url(row)))
    save(admin_page, facts_url(row), FORM)

    assert "loads.users.gone: 3" in page
    assert "Saving takes them out" in page
    row.refresh_from_db()
    assert row.overrides == {PAGE_SIZE: 50}


def test_the_secret_stays_as_it_was_and_is_not_shown(admin_page: Client) -> None:
    """S-06."""
    row = connected()

    page = admin_page.get(facts_url(row)).content.decode()
    save(admin_page, facts_url(row), FORM, **{field_of(row, PAGE_SIZE): "50"})

    assert AHA_KEY.removeprefix("Bearer ") not in page
    assert access_for(Credentials.objects.get(pk=row.pk)).secrets == {"value": AHA_KEY}


def test_the_password_is_asked_for_when_it_was_given_long_ago(admin_page: Client) -> None:
    """S-17."""
    row = connected()
    session = admin_page.session
    session[reauth.CONFIRMED_AT] = time.time() - 6 * 60
    session.save()

    answers = [
        admin_page.get(facts_url(row)),
        admin_page.post(facts_url(row), {field_of(row, PAGE_SIZE): "50"}),
    ]

    assert all("/confirm-password/" in answer["Location"] for answer in answers)
    row.refresh_from_db()
    assert row.overrides == {}


def test_credentials_that_are_not_there_are_not_found(admin_page: Client) -> None:
    answer = admin_page.get("/admin/integrations/credentials/987654/facts/")

    assert answer.status_code == 404


def test_facts_that_are_wrong_only_together_are_refused_without_a_field() -> None:
    """Each could be alone; the reason stands above the form."""
    vendor = get_vendor("aha")

    assert refusals(vendor, {"rate.per_second": 1, PAGE_SIZE: 10}) == {}
    assert list(refusals(vendor, {"rate.per_second": 0, PAGE_SIZE: 10})) == ["rate.per_second"]


def test_a_vendor_of_which_nothing_is_inferred_says_so(admin_page: Client) -> None:
    row = make_credentials()
    request = admin_page.get(facts_url(row)).wsgi_request
    aha = get_vendor("aha")
    certain = replace(aha, manifest=aha.manifest.model_copy(update={"inferred": ()}), raw={})

    form = FactsForm(None, credentials=row, vendor=certain)
    page = render_to_string(
        "admin/integrations/credentials/facts.html",
        {"form": form, "original": row, **admin.site.each_context(request)},
        request,
    )

    assert form.facts == []
    assert "Nothing is inferred" in page
    assert "<textarea" not in page


def test_a_correction_leaves_all_other_facts_as_they_were() -> None:
    """Also codes that are numbers: Aha!'s 20 means Owner, not "20"."""
    aha = get_vendor("aha")

    corrected = aha.corrected({PAGE_SIZE: 100}).corrected({PAGE_SIZE: 200})

    assert corrected.manifest == aha.manifest
