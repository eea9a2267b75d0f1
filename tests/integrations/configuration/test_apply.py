"""Applying a configuration file: what is written, what is not, and how often."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from integrations.configuration import apply_text
from integrations.models import Credentials, FieldMapping, GlobalVariable, Integration
from integrations.secrets import open_sealed
from people.models import CustomField
from saas.models import Application
from tests.integrations.configuration.files import AHA, SECRET, apply

pytestmark = pytest.mark.django_db


def rows_of_history() -> int:
    return sum(
        model.history.count() for model in (Credentials, FieldMapping, GlobalVariable, Integration)
    )


def test_a_file_makes_everything_that_it_says_and_launches_it():
    receipt = apply(AHA)

    integration = Integration.objects.get(name="Aha! User Load")
    assert [change.name for change in receipt.changes] == [
        "Aha.Subdomain",
        "aha_user_id",
        "Aha production",
        "Aha! User Load",
    ]
    assert (integration.state, integration.tenant) == ("active", "mycompany")
    assert integration.application == Application.objects.get(name="Aha!", tenant="mycompany")
    assert integration.run_as == User.objects.get(username="it-admin")
    assert [
        (m.source, m.constant, m.transform, m.target, m.sync_key, m.policy)
        for m in integration.mappings.all()
    ] == [
        ("email", None, "", "email", 1, "always"),
        ("email", None, "", "username", None, "always"),
        ("id", None, "", "aha_user_id", None, "always"),
        ("", "Employee", "", "role", None, "always"),
        ("name", None, "first_name", "first_name", None, "always"),
    ]
    assert integration.filters == {
        "all": [{"field": "is_enabled", "operator": "equals", "value": True}]
    }
    assert open_sealed(Credentials.objects.get()) == {"value": SECRET}
    assert [group.name for group in Credentials.objects.get().groups.all()] == ["IT admin"]
    assert CustomField.objects.get().key == "aha_user_id"


def test_the_history_names_who_applied_the_file(it_admin: User):
    apply(AHA)

    entry = Integration.history.earliest()
    assert (entry.history_user, entry.history_change_reason) == (
        it_admin,
        "Configuration file, it-admin",
    )
    assert Credentials.history.latest().history_user == it_admin


def test_applying_a_file_twice_changes_nothing_and_says_so():
    apply(AHA)
    before = rows_of_history(), Integration.objects.get().revision

    receipt = apply(AHA)

    assert receipt.changes == ()
    assert str(receipt) == "Nothing to change: everything is as the file says."
    assert (rows_of_history(), Integration.objects.get().revision) == before


def test_a_plan_shows_old_and_new_and_writes_nothing():
    apply(AHA)
    before = rows_of_history()

    receipt = apply(AHA.replace("priority: 50", "priority: 40"), plan=True)

    assert str(receipt) == (
        "~ integrations: Aha! User Load\n    priority: 50 -> 40\n"
        "0 would be made, 1 would be changed."
    )
    assert Integration.objects.get().priority == 50
    assert rows_of_history() == before


def test_a_plan_on_an_empty_database_writes_nothing_at_all():
    receipt = apply(AHA, plan=True)

    assert len(receipt.changes) == 4
    assert not GlobalVariable.objects.exists()
    assert not Credentials.objects.exists()
    assert not Application.objects.exists()


def test_what_a_file_does_not_mention_stays():
    apply(AHA)

    receipt = apply(
        "integrations:\n- {name: Aha! User Load, vendor: aha, load: users, priority: 7}\n"
    )

    integration = Integration.objects.get()
    assert len(receipt.changes) == 1
    assert (integration.priority, integration.state) == (7, "active")
    assert integration.mappings.count() == 5
    assert GlobalVariable.objects.count() == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("priority: 50", "priority: 40"),
        ("preference: create_and_update", "preference: update_only"),
        ("value: true}", "value: false}"),
        ("policy: always}", "policy: on_create}"),
        ("      - {constant: Employee, target: role}\n", ""),
        ("transform: first_name, target: first_name", "transform: last_name, target: last_name"),
    ],
)
def test_a_change_that_concerns_every_record_counts_one_revision(old: str, new: str):
    """M-1."""
    apply(AHA)
    before = Integration.objects.get().revision

    apply(AHA.replace(old, new))

    assert Integration.objects.get().revision == before + 1


def test_a_change_of_other_settings_counts_no_revision():
    """M-1."""
    apply(AHA)
    before = Integration.objects.get().revision

    apply(AHA.replace("missing_people: leave", "missing_people: deactivate"))

    assert Integration.objects.get().missing_people == "deactivate"
    assert Integration.objects.get().revision == before


def test_an_integration_that_loses_a_field_to_another_looks_again():
    """M-1, M-6: ownership moves with the priority, on both sides."""
    apply(AHA)
    second = AHA[AHA.index("  - name: Aha! User Load") :].replace("Aha! User Load", "Second")
    apply("integrations:\n" + second.replace("priority: 50", "priority: 60"))
    before = dict(Integration.objects.values_list("name", "revision"))

    apply("integrations:\n" + second.replace("priority: 50", "priority: 10"))

    after = dict(Integration.objects.values_list("name", "revision"))
    assert after == {name: revision + 1 for name, revision in before.items()}


def test_sync_keys_can_change_places():
    apply(AHA.replace("target: username}", "target: username, sync_key: 2}"))

    apply(
        AHA.replace("target: email, sync_key: 1", "target: email, sync_key: 2").replace(
            "target: username}", "target: username, sync_key: 1}"
        )
    )

    keys = dict(Integration.objects.get().mappings.values_list("target", "sync_key"))
    assert (keys["email"], keys["username"]) == (2, 1)


def test_an_active_integration_is_paused_and_launched_again():
    apply(AHA)

    apply(AHA.replace("state: active", "state: paused"))
    paused = Integration.objects.get().state
    apply(AHA)

    assert paused == "paused"
    assert Integration.objects.get().state == "active"


def test_a_new_integration_can_arrive_paused():
    apply(AHA.replace("state: active", "state: paused"))

    integration = Integration.objects.get()
    assert (integration.state, integration.tenant) == ("paused", "mycompany")


def test_a_draft_may_be_unfinished():
    apply("integrations:\n- {name: Later, vendor: aha, load: users}\n")

    integration = Integration.objects.get()
    assert (integration.state, integration.mappings.count()) == ("draft", 0)


def test_values_keep_their_types():
    """interface.md: `007` and `06:00` are text, numbers and switches are what they look like."""
    text = AHA.replace(
        "{field: is_enabled, operator: equals, value: true}",
        "{field: id, operator: in, value: [007, 06:00, 2026-12-01, yes]}",
    )

    apply(text)

    assert Integration.objects.get().filters["all"][0]["value"] == [
        "007",
        "06:00",
        "2026-12-01",
        "yes",
    ]


def test_anchors_and_merges_can_be_used():
    text = (
        "credentials:\n"
        "- &first {name: One, vendor: aha, settings: {add_to: header}}\n"
        "- {<<: *first, name: Two}\n"
    )

    apply(text)

    assert list(Credentials.objects.values_list("name", "vendor")) == [
        ("One", "aha"),
        ("Two", "aha"),
    ]


def test_an_empty_file_asks_for_nothing():
    assert apply_text("", by="command line").changes == ()
    assert apply_text("integrations:\nworkflows: []\n", by="command line").changes == ()


def test_people_only_becomes_people_and_accounts_with_the_application_bound():
    """M-1: the application belongs to the account as if it had been launched like this."""
    apply(
        AHA.replace("user_plus_saas_user", "user_only").replace(
            "application: Aha!", "application: null"
        )
    )

    apply(AHA)

    assert Application.objects.get().tenant == "mycompany"
    assert Integration.objects.get().application == Application.objects.get()


def test_credentials_that_change_their_type_forget_the_secrets_of_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("USER", "rosa-4711")
    monkeypatch.setenv("PASSWORD", "opened-4711")
    apply("credentials: [{name: B, vendor: bamboohr, secrets: {value: {env: AHA_KEY}}}]")

    apply(
        "credentials: [{name: B, vendor: bamboohr, type: basic, "
        "secrets: {username: {env: USER}, password: {env: PASSWORD}}}]"
    )

    assert open_sealed(Credentials.objects.get()) == {
        "username": "rosa-4711",
        "password": "opened-4711",
    }
