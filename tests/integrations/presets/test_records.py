"""Whose call it is: people and SaaS users by what they are called, and what templates may name."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from integrations.errors import PresetRefused
from integrations.presets.records import find_record
from integrations.registry import get_preset
from people.models import Department, PersonRole
from tests.makers import make_person, make_role, make_saas_user

from .desk import Desk


def found(desk: Desk, key: str, preset: str = "get_user_details") -> Any:
    vendor, one = get_preset(f"aha.{preset}")
    return find_record(vendor, one, key, tenant=desk.tenant)


def test_a_person_is_found_by_e_mail_username_employee_id_and_id(aha: Desk):
    person = make_person(email="Ann@Example.com", username="ann", employee_id="0042")

    for key in (" ann@EXAMPLE.com ", "ANN", "0042", str(person.pk)):
        target = found(aha, key)
        assert (target.kind, target.person_id) == ("person", person.pk)


def test_an_employee_id_comes_before_an_id_of_ours(aha: Desk):
    first = make_person()
    second = make_person(employee_id=str(first.pk))

    assert found(aha, str(first.pk)).person_id == second.pk


def test_a_number_that_takes_access_away_is_never_an_id_of_ours(aha: Desk):
    """It could be the vendor's id of an account that is not loaded yet."""
    person = make_person(email="ann@example.com")

    with pytest.raises(PresetRefused, match="no person with this e-mail, username or employee ID;"):
        found(aha, str(person.pk), "deactivate_user")


def test_a_vendors_id_comes_before_an_id_of_ours(aha: Desk):
    person = make_person()
    user = make_saas_user(aha.application, external_id=str(person.pk))

    assert found(aha, str(person.pk)).saas_user_id == user.pk


def test_a_saas_user_is_found_by_the_vendors_id_and_by_e_mail(aha: Desk):
    user = make_saas_user(aha.application, external_id="677", email="bot@example.com")

    for key in ("677", "BOT@example.com"):
        target = found(aha, key)
        assert (target.kind, target.saas_user_id) == ("saas_user", user.pk)


def test_the_person_comes_first_and_for_roles_the_saas_user(aha: Desk):
    person = make_person(email="ann@example.com")
    user = make_saas_user(aha.application, email="ann@example.com", person=person)

    asked, roles = found(aha, "ann@example.com"), found(aha, "ann@example.com", "user_role")

    assert (asked.kind, asked.id, asked.saas_user_id) == ("person", person.pk, user.pk)
    assert (roles.kind, roles.id, roles.person_id) == ("saas_user", user.pk, person.pk)


def test_accounts_of_other_applications_are_not_meant(aha: Desk, betterworks: Desk):
    make_saas_user(betterworks.application, external_id="700", email="ann@example.com")

    with pytest.raises(PresetRefused, match=r'no record "700".*no SaaS user of aha'):
        found(aha, "700")


def test_several_accounts_with_one_e_mail_are_named_and_none_is_taken(aha: Desk):
    """M-2: vendors list several accounts with one e-mail."""
    for number in ("1", "2"):
        make_saas_user(aha.application, external_id=number, email="no-reply@example.com")

    with pytest.raises(PresetRefused, match="could mean several records") as refused:
        found(aha, "no-reply@example.com")

    assert "(ID 1)" in refused.value.message
    assert "(ID 2)" in refused.value.message


def test_a_key_that_means_a_person_and_somebody_elses_account_is_not_guessed(aha: Desk):
    make_person(employee_id="105")
    make_saas_user(aha.application, external_id="105", email="other@example.com")

    with pytest.raises(PresetRefused, match="could mean several records"):
        found(aha, "105")


@pytest.mark.parametrize("key", ["nobody@example.com", "", "9" * 50, "a\x00b", "٣"])
def test_nobody_is_told_with_what_was_looked_for(aha: Desk, key: str):
    with pytest.raises(PresetRefused, match="no person with this e-mail, username, employee ID"):
        found(aha, key)


def test_the_id_of_a_person_is_that_of_the_field_only(aha: Desk):
    """AH-24: a person's account does not fill the field."""
    person = make_person()
    make_saas_user(aha.application, external_id="677", email="other@example.com", person=person)

    assert found(aha, person.email).values["aha_user_id"] is None
    with_field = aha.person(vendor_id="678")
    assert found(aha, with_field.email).values["aha_user_id"] == "678"


def test_the_id_of_an_account_is_the_vendors_whatever_its_person_says(aha: Desk):
    person = aha.person(vendor_id="1")
    user = make_saas_user(
        aha.application, external_id="677", email="ann@acme.example", person=person
    )

    values = found(aha, user.external_id).values

    assert (values["aha_user_id"], values["external_id"]) == ("677", "677")
    assert values["email"] == "ann@acme.example"
    assert values["person"]["email"] == person.email
    assert values["first_name"] == person.first_name


def test_the_fields_have_the_names_of_mappings_and_dates_are_iso(aha: Desk):
    manager = make_person(email="boss@example.com")
    person = make_person(
        hire_date=date(2026, 3, 2),
        department=Department.objects.create(name="Sales", name_key="sales"),
        role=PersonRole.objects.get_or_create(name="Employee")[0],
        manager=manager,
        custom={"shoe_size": 42},
    )

    values = found(aha, person.email).values

    assert values["hire_date"] == "2026-03-02"
    assert (values["department"], values["role"]) == ("Sales", "Employee")
    assert (values["manager"], values["shoe_size"]) == ("boss@example.com", 42)
    assert values["application"]["name"] == aha.application.name


def test_the_roles_of_an_account_can_be_named(aha: Desk):
    user = make_saas_user(aha.application, external_id="677")
    make_role(user, "Owner", scope_id="1", scope="Mobile App")

    assert found(aha, "677").values["roles"] == [
        {"role": "Owner", "scope_id": "1", "scope": "Mobile App"}
    ]


def test_finding_a_record_takes_few_queries(aha: Desk, django_assert_max_num_queries: Any):
    person = make_person()
    make_saas_user(aha.application, external_id="677", email=person.email, person=person)

    with django_assert_max_num_queries(6):
        found(aha, person.email)
    with django_assert_max_num_queries(6):
        found(aha, person.email, "user_role")
