"""Exporting the configuration: stable, without secrets, and the same when applied again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from integrations.configuration import export_text
from integrations.models import Credentials, GlobalVariable, Integration
from people.models import CustomField
from saas.models import Application
from tests.integrations.configuration.files import AHA, SECRET, apply

pytestmark = pytest.mark.django_db
MORE = """\
variables:
  Odd.Values: "a: b # c, 'd' \\"e\\" {f}\\nnext line 007 yes"
  Number: "0123"
  Clock: "06:00"
  Names: 王小明 ❤ Ludwig
people_fields:
- {label: Notes, type: long_text}
- {label: Badge, type: integer, unique: true}
saas_user_fields:
- {label: Licence, type: date, visible_to_hr: false}
credentials:
- name: Basic one
  vendor: bamboohr
  type: basic
  secrets: {username: {env: BHR_USER}, password: {env: BHR_PASSWORD}}
  expires_on: 2030-05-06
  tenant: other
- {name: Without secret, vendor: aha, overrides: {rate.per_minute: 100}}
integrations:
- name: Employees
  vendor: bamboohr
  load: employees
  user_selection: user_only
  preference: update_only
  priority: 1
  credentials: Basic one
  run_as: it-admin
  inputs: {subdomain: other}
  filters: {any: [{field: id, operator: in, value: ["1", 2, 3.5, true]}, {field: status, operator: is_empty}]}
  mappings:
  - {source: work_email, target: email, sync_key: 1}
  - {source: work_email, target: username}
  - {source: 'customField["a b"]', target: title, policy: when_filled}
  - {constant: always, target: location}
  missing_people: deactivate
  state: paused
- {name: Draft, vendor: aha, load: users}
"""


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with something of each section; gives its export."""
    monkeypatch.setenv("BHR_USER", "user-0123456789")
    monkeypatch.setenv("BHR_PASSWORD", "password-0123456789")
    apply(AHA)
    apply(MORE)
    return export_text()


def empty_the_database() -> None:
    Integration.objects.all().delete()
    Credentials.objects.all().delete()
    GlobalVariable.objects.all().delete()
    CustomField.objects.all().delete()
    Application.objects.all().delete()


def test_applying_an_export_to_the_same_database_changes_nothing(everything: str):
    receipt = apply(everything)

    assert receipt.changes == ()
    assert export_text() == everything


def test_applying_an_export_to_an_empty_database_gives_the_same_export(
    everything: str, monkeypatch: pytest.MonkeyPatch
):
    empty_the_database()
    monkeypatch.setenv("AHA_PRODUCTION_VALUE", SECRET)
    monkeypatch.setenv("BASIC_ONE_USERNAME", "user-0123456789")
    monkeypatch.setenv("BASIC_ONE_PASSWORD", "password-0123456789")

    apply(everything)

    assert export_text() == everything
    assert Integration.objects.get(name="Employees").tenant == "other"


def test_an_export_names_variables_instead_of_secrets(everything: str):
    """S-06."""
    assert "      env: AHA_PRODUCTION_VALUE\n" in everything
    assert "      env: BASIC_ONE_PASSWORD\n" in everything
    assert "  secrets:  # never the secret itself" in everything
    for secret in (SECRET, "user-0123456789", "password-0123456789", SECRET[-4:]):
        assert secret not in everything


def test_two_credentials_never_share_a_variable(monkeypatch: pytest.MonkeyPatch):
    part = "- {{name: {}, vendor: aha, secrets: {{value: {{env: AHA_KEY}}}}}}\n"
    apply("credentials:\n" + part.format("Aha!") + part.format("aha") + part.format("王"))

    text = export_text()

    assert [line.split(": ")[1] for line in text.splitlines() if " env: " in line] == [
        "AHA_VALUE",
        "AHA_VALUE_2",
        "CREDENTIALS_VALUE",
    ]


def test_the_export_of_an_empty_database_can_be_applied():
    text = export_text()

    assert text.endswith(
        "variables: {}\npeople_fields: []\nsaas_user_fields: []\ncredentials: []\nintegrations: []\n"
        "workflows: []\n"
    )
    assert apply(text).changes == ()


def test_an_export_takes_the_same_queries_however_much_there_is(
    everything: str, django_assert_max_num_queries: Any
):
    del everything
    with django_assert_max_num_queries(17):
        export_text()


def test_a_user_or_group_that_is_missing_is_told(everything: str):
    empty_the_database()
    User.objects.all().delete()
    Group.objects.filter(name="IT admin").update(name="Admins")

    with pytest.raises(Exception, match="there is no active user") as refused:
        apply(everything)

    assert 'credentials[0].groups[0]: there is no group "IT admin"' in str(refused.value)
