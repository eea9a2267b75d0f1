"""Integrations in the admin: from a draft to a run, and what a change of one means."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from integrations.models import FieldMapping, Integration, RecordLink, SyncRun
from integrations.sandbox.server import Sandbox
from people.models import CustomField
from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from tests.makers import (
    make_application,
    make_credentials,
    make_integration,
    make_mapping,
    make_run,
    make_variable,
)

pytestmark = pytest.mark.django_db
LIST = "/admin/integrations/integration/"
FORM = "integration_form"


def page_of(integration: Integration, name: str = "change") -> str:
    return f"{LIST}{integration.pk}/{name}/"


def errors_of(answer: Any) -> dict[str, Any]:
    errors: dict[str, Any] = answer.context["adminform"].form.errors
    return errors


def test_a_new_integration_is_a_draft_with_the_suggested_mappings(
    admin_page: Client, it_admin: User
) -> None:
    """AH-13: vendor and load are chosen; the rest waits on the draft's page."""
    shown = text_of(admin_page.get(f"{LIST}add/"))

    answer = admin_page.post(f"{LIST}add/", {"vendor": "aha", "load": "users"})

    draft = Integration.objects.get()
    assert "Aha! User Load" in shown
    assert answer["Location"] == page_of(draft)
    assert (draft.name, draft.state, draft.run_as) == ("Aha! User Load", "draft", it_admin)
    assert draft.mappings.filter(source="email", target="email", sync_key=1).exists()
    assert draft.mappings.filter(constant="Employee", target="role").exists()


def test_two_drafts_of_one_load_have_different_names(admin_page: Client) -> None:
    for _ in range(2):
        admin_page.post(f"{LIST}add/", {"vendor": "aha", "load": "users"})

    names = Integration.objects.values_list("name", flat=True)
    assert sorted(names) == ["Aha! User Load", "Aha! User Load 2"]


def test_choosing_what_no_vendor_has_makes_nothing(admin_page: Client) -> None:
    for given in (
        {},
        {"vendor": "aha"},
        {"vendor": "x", "load": "users"},
        {"vendor": "aha", "load": "x"},
    ):
        assert admin_page.post(f"{LIST}add/", given).status_code == 404
    assert not Integration.objects.exists()


def test_the_choices_of_the_form_are_exactly_those_of_the_documents(admin_page: Client) -> None:
    """AH-15, AH-17, AH-19, MO-11."""
    form = admin_page.get(page_of(make_integration())).context["adminform"].form

    def labels(name: str) -> list[str]:
        return [str(label) for value, label in form.fields[name].choices if value]

    assert labels("user_selection") == ["User plus SaaS User", "User only"]
    assert labels("installation") == ["Cloud", "Local"]
    assert labels("preference") == ["Create & Update", "Create only", "Update only"]


def test_a_name_is_required_and_shown_on_the_list(admin_page: Client) -> None:
    """AH-14."""
    integration = make_integration()

    refused = save(admin_page, page_of(integration), FORM, name="")
    save(admin_page, page_of(integration), FORM, name="Aha! for all")

    assert "name" in errors_of(refused)
    assert "Aha! for all" in text_of(admin_page.get(LIST))


def test_only_credentials_of_the_vendor_can_be_chosen(admin_page: Client) -> None:
    """AH-18, AH-06."""
    other = make_credentials("BambooHR", vendor="bamboohr")
    integration = make_integration()

    refused = save(admin_page, page_of(integration), FORM, credentials=str(other.pk))

    assert "credentials" in errors_of(refused)


def test_the_saas_selection_is_asked_for_only_when_there_are_several(admin_page: Client) -> None:
    """AH-16."""
    integration = make_integration()
    make_application("Aha! one", tenant="one")

    with_one = read_form(admin_page.get(page_of(integration)), FORM)
    make_application("Aha! two", tenant="two")
    with_two = read_form(admin_page.get(page_of(integration)), FORM)
    refused = save(admin_page, page_of(integration), FORM, application="")

    assert "application" not in with_one
    assert "application" in with_two
    assert "application" in errors_of(refused)


def test_the_user_of_the_integration_is_required(admin_page: Client) -> None:
    """AH-22."""
    refused = save(admin_page, page_of(make_integration()), FORM, run_as="")

    assert "run_as" in errors_of(refused)


def test_the_page_lists_what_is_missing_before_launch(admin_page: Client) -> None:
    """AH-27, MO-21, MO-23, MO-29: and Launch refuses with the same words."""
    integration = make_integration(mappings=False, credentials=None)

    page = text_of(admin_page.get(page_of(integration)))
    told = messages_of(admin_page, admin_page.post(page_of(integration, "launch")))

    integration.refresh_from_db()
    assert "Choose the credentials" in page
    assert "sync key" in page
    assert "Map a field to E-mail" in page
    assert any("sync key" in text for text in told)
    assert integration.state == "draft"


def test_a_mapping_is_added_changed_and_removed(admin_page: Client) -> None:
    """AH-26, AH-36, MO-24: each counts as a change that the next sync looks at."""
    integration = make_integration()
    row = integration.mappings.get(target="full_name")
    number = integration.mappings.count()

    save(
        admin_page,
        page_of(integration),
        FORM,
        **{
            "mappings-TOTAL_FORMS": str(number + 1),
            f"mappings-{number}-source_choice": "name",
            f"mappings-{number}-transform": "first_name",
            f"mappings-{number}-target": "first_name",
            f"mappings-{number}-sync_key": "",
            f"mappings-{number}-policy": "when_filled",
            "mappings-2-DELETE": "on",
        },
    )

    integration.refresh_from_db()
    assert not FieldMapping.objects.filter(pk=row.pk).exists()
    assert integration.mappings.get(target="first_name").policy == "when_filled"
    assert integration.revision == 2


def test_saving_without_a_change_is_no_change(admin_page: Client) -> None:
    integration = make_integration(
        filters={"all": [{"field": "is_enabled", "operator": "equals", "value": True}]}
    )

    answer = save(admin_page, page_of(integration), FORM)

    integration.refresh_from_db()
    assert answer.status_code == 302
    assert integration.revision == 1
    assert integration.filters["all"][0]["value"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [("preference", "update_only"), ("priority", "10"), ("filters-0-field", "email")],
)
def test_what_changes_the_outcome_makes_the_next_sync_look_again(
    admin_page: Client, field: str, value: str
) -> None:
    """M-1: preference, priority and filters count; a name does not."""
    integration = make_integration()
    given = {field: value}
    if field.startswith("filters"):
        given |= {"filters-0-operator": "is_not_empty"}

    save(admin_page, page_of(integration), FORM, name="Renamed")
    integration.refresh_from_db()
    before = integration.revision
    save(admin_page, page_of(integration), FORM, **given)

    integration.refresh_from_db()
    assert (before, integration.revision) == (1, 2)


def test_a_constant_role_must_be_one_that_exists(admin_page: Client) -> None:
    """AH-28, MO-22."""
    integration = make_integration()
    new = {
        "mappings-TOTAL_FORMS": "4",
        "mappings-3-source_choice": "=constant",
        "mappings-3-target": "role",
        "mappings-3-policy": "always",
        "mappings-3-sync_key": "",
    }

    refused = save(
        admin_page, page_of(integration), FORM, **new, **{"mappings-3-detail": "Emploee"}
    )
    save(admin_page, page_of(integration), FORM, **new, **{"mappings-3-detail": "Employee"})

    assert 'Did you mean "Employee"?' in text_of(refused)
    assert integration.mappings.get(target="role").constant == "Employee"


def test_a_custom_field_is_mapped_by_its_path(admin_page: Client) -> None:
    """AH-31: a path that cannot be read is refused on its field."""
    integration = make_integration()
    new = {
        "mappings-TOTAL_FORMS": "4",
        "mappings-3-source_choice": "=path",
        "mappings-3-target": "location",
        "mappings-3-policy": "always",
        "mappings-3-sync_key": "",
    }

    refused = save(admin_page, page_of(integration), FORM, **new, **{"mappings-3-detail": "a..b"})
    save(admin_page, page_of(integration), FORM, **new, **{"mappings-3-detail": "profile.place"})

    assert "This path cannot be read" in text_of(refused)
    assert integration.mappings.get(target="location").source == "profile.place"


def test_a_sync_key_on_a_field_that_people_share_is_refused_on_its_row(admin_page: Client) -> None:
    """MO-23."""
    refused = save(admin_page, page_of(make_integration()), FORM, **{"mappings-2-sync_key": "2"})

    assert "Full name cannot be a sync key" in text_of(refused)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("mappings-2-target", "email", "This target is in an earlier row already"),
        ("mappings-1-sync_key", "1", "This sync key number is in an earlier row already"),
    ],
)
def test_what_is_double_is_refused_on_the_later_row(
    admin_page: Client, field: str, value: str, words: str
) -> None:
    refused = save(admin_page, page_of(make_integration()), FORM, **{field: value})

    assert words in text_of(refused)


def test_two_rows_may_swap_their_sync_keys_and_targets(admin_page: Client) -> None:
    integration = make_integration()
    integration.mappings.filter(target="username").update(sync_key=2)

    answer = save(
        admin_page,
        page_of(integration),
        FORM,
        **{
            "mappings-0-sync_key": "2",
            "mappings-1-sync_key": "1",
            "mappings-0-target": "username",
            "mappings-1-target": "email",
        },
    )

    assert answer.status_code == 302
    assert dict(integration.mappings.values_list("target", "sync_key")) == {
        "username": 2,
        "email": 1,
        "full_name": None,
    }


def test_a_launched_integration_keeps_what_it_needs(admin_page: Client) -> None:
    integration = make_integration(state="active")

    refused = save(admin_page, page_of(integration), FORM, **{"mappings-0-DELETE": "on"})

    assert "A launched integration needs a mapping to E-mail" in text_of(refused)
    assert integration.mappings.filter(target="email").exists()


def test_a_launched_integration_stays_with_its_account(admin_page: Client) -> None:
    """M-1: another sub-domain would make every record of the old one count as missing."""
    integration = make_integration(state="active", tenant="mycompany")

    refused = save(admin_page, page_of(integration), FORM, input_subdomain="othercompany")

    assert 'launched for the account "mycompany"' in text_of(refused)


def test_a_renamed_account_takes_everything_along(admin_page: Client) -> None:
    """M-1: a pasted address will do; then the new sub-domain is taken by the form."""
    integration = make_integration(state="active", tenant="mycompany")
    link = RecordLink.objects.create(vendor="aha", tenant="mycompany", external_id="1")

    answer = admin_page.post(
        page_of(integration, "rename-account"), {"new": "https://newcompany.aha.io/"}
    )
    save(admin_page, page_of(integration), FORM, input_subdomain="newcompany")

    integration.refresh_from_db()
    link.refresh_from_db()
    assert answer.status_code == 302
    assert (integration.tenant, link.tenant) == ("newcompany", "newcompany")
    assert integration.inputs == {"subdomain": "newcompany"}


def test_an_account_is_not_renamed_to_one_that_is_there_already(admin_page: Client) -> None:
    integration = make_integration(state="active", tenant="mycompany")
    make_integration("Other", state="active", tenant="othercompany")

    refused = admin_page.post(page_of(integration, "rename-account"), {"new": "othercompany"})

    integration.refresh_from_db()
    assert "is an account of its own here already" in text_of(refused)
    assert integration.tenant == "mycompany"


def test_rules_are_read_as_rows_and_their_mistakes_stand_there(admin_page: Client) -> None:
    """MO-16."""
    integration = make_integration()
    rows = {
        "filters-match": "any",
        "filters-0-field": "is_enabled",
        "filters-0-operator": "equals",
        "filters-0-value": "perhaps",
        "filters-1-field": "email",
        "filters-1-operator": "in",
        "filters-1-value": "a@example.com, b@example.com",
    }

    refused = save(admin_page, page_of(integration), FORM, **rows)
    save(admin_page, page_of(integration), FORM, **{**rows, "filters-0-value": "no"})

    integration.refresh_from_db()
    errors = refused.context["adminform"].form.fields["filters"].widget.row_errors
    assert list(errors) == [0]
    assert "neither true nor false" in text_of(refused)
    assert integration.filters == {
        "any": [
            {"field": "is_enabled", "operator": "equals", "value": False},
            {"field": "email", "operator": "in", "value": ["a@example.com", "b@example.com"]},
        ]
    }


def test_nested_rules_from_a_file_are_shown_and_kept(admin_page: Client) -> None:
    rules = {
        "all": [
            {"field": "email", "operator": "is_not_empty"},
            {"any": [{"field": "is_paid_seat", "operator": "equals", "value": True}]},
        ]
    }
    integration = make_integration(filters=rules)

    save(admin_page, page_of(integration), FORM, name="Renamed")

    integration.refresh_from_db()
    assert integration.filters == rules
    assert integration.revision == 1


def test_a_new_people_field_is_made_and_mapped_in_one_step(admin_page: Client) -> None:
    """AH-24, AH-25, MO-17, MO-20."""
    integration = make_integration()
    url = f"{page_of(integration, 'add-field')}?source=id"
    proposed = admin_page.get(url).context["form"].initial

    admin_page.post(url, {"source": "id", "label": "Aha User Id", "type": "text"})

    field = CustomField.objects.get()
    integration.refresh_from_db()
    assert proposed["label"] == "Aha User Id"
    assert (field.key, field.object) == ("aha_user_id", "person")
    assert integration.mappings.get(target="aha_user_id").source == "id"
    assert integration.revision == 2


def test_a_people_field_that_exists_is_not_made_again(admin_page: Client) -> None:
    integration = make_integration()
    given = {"source": "id", "label": "Aha User Id", "type": "text"}
    admin_page.post(page_of(integration, "add-field"), given)

    again = admin_page.post(page_of(integration, "add-field"), given)

    assert "choose another label" in text_of(again)
    assert integration.mappings.filter(source="id").count() == 1


def test_a_change_of_priority_names_the_fields_and_their_new_owner(admin_page: Client) -> None:
    """M-6."""
    first = make_integration("First", state="active", priority=10)
    make_integration("Second", state="active", priority=20, tenant="second")

    page = text_of(admin_page.get(page_of(first)))
    told = messages_of(admin_page, save(admin_page, page_of(first), FORM, priority="30"))

    assert "Next in line" in page
    assert any("E-mail" in text and '"Second" owns this' in text for text in told)


def test_the_next_run_of_a_new_owner_is_only_a_preview(admin_page: Client) -> None:
    """M-6: whether it owns them by a priority, a removed mapping or a deleted integration."""
    first = make_integration("First", state="active", priority=10)
    second = make_integration("Second", state="active", priority=20, tenant="second")
    admin_page.post(page_of(first, "delete"), {"post": "yes"})

    warned = text_of(admin_page.get(page_of(second)))
    told = messages_of(admin_page, admin_page.post(page_of(second, "run")))

    assert "Its next run is only a preview" in warned
    assert any("so this is a preview" in text for text in told)
    assert SyncRun.objects.get().kind == "preview"


def test_a_removed_mapping_names_the_next_owner(admin_page: Client) -> None:
    """M-6."""
    first = make_integration("First", state="active", priority=10)
    make_integration("Second", state="active", priority=20, tenant="second")

    answer = save(admin_page, page_of(first), FORM, **{"mappings-2-DELETE": "on"})

    told = messages_of(admin_page, answer)
    assert any("Full name" in text and '"Second" owns this' in text for text in told)
    assert not any("E-mail" in text for text in told)


def test_deleting_names_the_fields_and_the_next_owner(admin_page: Client) -> None:
    """M-6: without reading the links of each record."""
    first = make_integration("First", state="active", priority=10)
    make_integration("Second", state="active", priority=20, tenant="second")
    run = make_run(first)

    page = text_of(admin_page.get(page_of(first, "delete")))
    admin_page.post(page_of(first, "delete"), {"post": "yes"})

    run.refresh_from_db()
    assert "E-mail: Second" in page
    assert not Integration.objects.filter(name="First").exists()
    assert run.integration is None


def test_the_tile_links_to_its_mappings_with_the_right_count(admin_page: Client) -> None:
    """AH-34."""
    integration = make_integration()
    make_mapping(integration, source="id", target="location")

    in_list = admin_page.get(LIST).content.decode()
    on_page = text_of(admin_page.get(page_of(integration)))

    assert f'{page_of(integration)}#mappings-section">4 Mappings' in in_list
    assert "4 Mappings" in on_page


def test_preview_and_run_queue_a_run_and_lead_to_it(admin_page: Client) -> None:
    """AH-35: attributed to who pressed the button."""
    integration = make_integration(state="active")

    previewed = admin_page.post(page_of(integration, "preview"))
    SyncRun.objects.update(state=SyncRun.State.DONE)
    ran = admin_page.post(page_of(integration, "run"))

    run, preview = SyncRun.objects.all()
    assert previewed["Location"] == reverse("admin:integrations_syncrun_change", args=(preview.pk,))
    assert ran["Location"] == reverse("admin:integrations_syncrun_change", args=(run.pk,))
    assert (preview.kind, run.kind) == ("preview", "sync")
    assert run.started_by == "it-admin"


def test_a_second_run_is_refused_with_a_link_to_the_first(admin_page: Client) -> None:
    """BB-25."""
    integration = make_integration(state="active")
    admin_page.post(page_of(integration, "run"))

    told = messages_of(admin_page, admin_page.post(page_of(integration, "run")))

    run = SyncRun.objects.get()
    assert reverse("admin:integrations_syncrun_change", args=(run.pk,)) in told[-1]
    assert "already running" in told[-1]


def test_a_draft_is_previewed_but_not_run(admin_page: Client) -> None:
    """MO-30."""
    integration = make_integration()

    admin_page.post(page_of(integration, "run"))
    assert not SyncRun.objects.exists()

    admin_page.post(page_of(integration, "preview"))
    assert SyncRun.objects.get().kind == "preview"


def test_launch_and_pause(admin_page: Client, sandbox: Sandbox) -> None:
    """MO-30: Launch asks the vendor, binds the account and makes the application."""
    credentials = make_credentials(
        secret=sandbox.credentials("aha")["secrets"]["value"], base_url=sandbox.base_url("aha")
    )
    integration = make_integration(credentials=credentials, inputs={"subdomain": "acme"})

    launched = messages_of(admin_page, admin_page.post(page_of(integration, "launch")))
    integration.refresh_from_db()
    state, tenant = integration.state, integration.tenant
    paused = messages_of(admin_page, admin_page.post(page_of(integration, "pause")))

    integration.refresh_from_db()
    assert (state, tenant, str(integration.application)) == ("active", "acme", "Aha!")
    assert "is active" in launched[0]
    assert "is paused" in paused[0]
    assert integration.state == "paused"


def test_launch_with_a_wrong_key_says_why(admin_page: Client, sandbox: Sandbox) -> None:
    credentials = make_credentials(base_url=sandbox.base_url("aha"))
    integration = make_integration(credentials=credentials, inputs={"subdomain": "acme"})

    told = messages_of(admin_page, admin_page.post(page_of(integration, "launch")))

    integration.refresh_from_db()
    assert "401" in told[0]
    assert integration.state == "draft"


@pytest.mark.parametrize("name", ["launch", "pause", "preview", "run"])
def test_buttons_take_post_with_a_token_only(it_admin: User, name: str) -> None:
    """S-16."""
    integration = make_integration(state="active")
    client = Client(enforce_csrf_checks=True)
    client.force_login(it_admin)

    assert client.get(page_of(integration, name)).status_code == 405
    assert client.post(page_of(integration, name)).status_code == 403
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize(
    "name", ["launch", "pause", "preview", "run", "add-field", "rename-account", "delete"]
)
def test_readers_press_no_button(
    open_as: Any, auditor: User, hr_viewer: User, workflow_editor: User, name: str
) -> None:
    """C-08, S-08, S-09."""
    integration = make_integration(state="active")

    for user in (auditor, hr_viewer, workflow_editor):
        answer = open_as(user).post(page_of(integration, name), {"post": "yes", "label": "x"})
        assert answer.status_code == 403, user

    integration.refresh_from_db()
    assert integration.state == "active"
    assert not SyncRun.objects.exists()


def test_an_auditor_reads_everything_of_an_integration_and_changes_nothing(
    open_as: Any, auditor: User
) -> None:
    """M-36: no field to fill, no button; what is there is shown in words."""
    make_variable()
    integration = make_integration(
        filters={"all": [{"field": "is_enabled", "operator": "equals", "value": True}]}
    )
    client = open_as(auditor)

    page = client.get(page_of(integration))
    posted = client.post(page_of(integration), {"name": "Changed"})

    body = page.content.decode()
    integration.refresh_from_db()
    assert page.status_code == 200
    assert 'name="_save"' not in body
    assert 'name="mappings-0-target"' not in body
    assert "Run now" not in body
    assert "Key of Aha! User Load" in body
    assert posted.status_code == 403
    assert integration.name == "Aha! User Load"


def test_hr_viewers_do_not_see_integrations(open_as: Any, hr_viewer: User) -> None:
    """M-36."""
    integration = make_integration()
    client = open_as(hr_viewer)

    pages = (LIST, page_of(integration), page_of(integration, "history"), f"{LIST}add/")
    assert {client.get(page).status_code for page in pages} == {403}


def test_history_tells_of_mappings_too(admin_page: Client) -> None:
    integration = make_integration()
    save(
        admin_page,
        page_of(integration),
        FORM,
        preference="update_only",
        **{"mappings-2-DELETE": "on"},
    )

    page = text_of(admin_page.get(page_of(integration, "history")))

    assert "Create & Update → Update only" in page
    assert "Removed: field mapping name → full_name" in page


def test_the_list_asks_as_much_for_forty_integrations_as_for_two(
    admin_page: Client, django_assert_num_queries: Any
) -> None:
    credentials = make_credentials()
    for number in range(40):
        make_run(make_integration(f"Load {number}", credentials=credentials))
    admin_page.get(LIST)

    with django_assert_num_queries(12):
        admin_page.get(LIST)


def test_the_page_asks_as_much_for_thirty_mappings_as_for_three(
    admin_page: Client, django_assert_num_queries: Any
) -> None:
    integration = make_integration()
    for number in range(27):
        make_mapping(integration, source="name", target=f"gone_{number}")
    admin_page.get(page_of(integration))

    with django_assert_num_queries(28):
        admin_page.get(page_of(integration))
