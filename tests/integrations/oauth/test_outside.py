"""Secrets that stay outside: read by commands only, for integrations that are run by commands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import references, services
from integrations.configuration import export_text
from integrations.errors import AskPerson, ConfigurationRefused, NotReady
from integrations.models import Credentials, Integration, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.secrets import open_sealed, seal
from integrations.slots import make_due_runs
from integrations.tick import waiting_runs
from integrations.worker import next_run_id
from tests.integrations.admin.pages import messages_of, save, text_of
from tests.integrations.configuration.files import AHA, apply
from tests.makers import make_credentials, make_integration

pytestmark = pytest.mark.django_db
LOCAL = (
    AHA.replace("{env: AHA_KEY}", "{env: AHA_KEY_OUTSIDE}")
    .replace("stored: sealed", "stored: reference")
    .replace("installation: cloud", "installation: local")
)


@pytest.fixture
def sandbox(settings: Any) -> Any:
    limits = {"aha": {"per_minute": None, "per_second": None}}
    with Sandbox(people=5, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        yield running


@pytest.fixture
def local(it_admin: Any, sandbox: Sandbox) -> Integration:
    """A launched local integration; its key is in no row."""
    text = LOCAL.replace("base_url: null", f"base_url: {sandbox.base_url('aha')}")
    apply(text.replace("mycompany", sandbox.state["aha"].inputs()["subdomain"]))
    return Integration.objects.get()


def key_of(sandbox: Sandbox) -> str:
    return str(sandbox.credentials("aha")["secrets"]["value"])


def test_a_command_reads_the_secret_where_it_is(
    local: Integration, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """MO-32, M-35."""
    monkeypatch.setenv("AHA_KEY_OUTSIDE", key_of(sandbox))

    with pytest.raises(SystemExit) as ended:
        call_command("sync", local.name, "--plan")

    assert ended.value.code in (0, 1)
    assert SyncRun.objects.get().state in {SyncRun.State.DONE, SyncRun.State.PARTIAL}
    assert not references.are_readable()
    row = Credentials.objects.get()
    assert (row.sealed, row.hints) == ("", {})
    assert row.references == {"value": {"env": "AHA_KEY_OUTSIDE"}}


def test_an_unset_variable_is_named(local: Integration, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AHA_KEY_OUTSIDE", raising=False)

    with pytest.raises(SystemExit) as ended:
        call_command("sync", local.name)

    assert ended.value.code == 3
    run = SyncRun.objects.get()
    assert run.error_code == "credentials_invalid"
    assert "the environment variable AHA_KEY_OUTSIDE is not set" in run.error_message


def test_a_file_is_read_too_and_never_shown(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text("canary-key-of-a-file\nsecond line")
    row = make_credentials(secret="", stored="reference", references={"value": {"file": str(path)}})

    with references.readable(), pytest.raises(AskPerson) as refused:
        services.access_for(row)
    path.write_text("canary-key-of-a-file\n")
    with references.readable():
        access = services.access_for(row)

    assert str(path) in refused.value.message
    assert "canary" not in refused.value.message
    assert access.secrets == {"value": "canary-key-of-a-file"}
    assert "canary" not in repr(access)


def test_no_page_and_no_worker_reads_it(
    local: Integration, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, admin_page: Client
):
    monkeypatch.setenv("AHA_KEY_OUTSIDE", key_of(sandbox))
    row = Credentials.objects.get()

    answer = admin_page.post(reverse("admin:integrations_credentials_test", args=(row.pk,)))

    assert "only commands may read it" in messages_of(admin_page, answer)[-1]
    with pytest.raises(AskPerson, match="only commands"):
        services.access_for(row)
    assert sandbox.log.as_json()["requests"] == []


def test_run_now_says_which_command_to_run(local: Integration, admin_page: Client):
    for button, command in (("run", ""), ("preview", " --plan")):
        url = reverse(f"admin:integrations_integration_{button}", args=(local.pk,))
        told = messages_of(admin_page, admin_page.post(url))
        assert f'python manage.py sync "Aha! User Load"{command} on the machine' in told[-1]

    assert not SyncRun.objects.exists()


def test_neither_schedule_nor_worker_takes_up_a_local_integration(local: Integration):
    Integration.objects.update(
        schedule={"every": "hour", "minute": 0, "timezone": "UTC"},
        schedule_since=timezone.now() - timedelta(days=2),
    )

    assert make_due_runs(timezone.now()) == 0
    SyncRun.objects.create(integration=local, name=local.name, started_by="command line")
    assert next_run_id() is None
    assert waiting_runs(timezone.now()) == (0, None)


def test_its_page_shows_the_line_for_cron(local: Integration, admin_page: Client):
    Integration.objects.update(
        schedule={"every": "week", "on": ["monday", "sunday"], "at": "06:05", "timezone": "UTC"}
    )

    page = text_of(
        admin_page.get(reverse("admin:integrations_integration_change", args=(local.pk,)))
    )

    assert "CRON_TZ=UTC" in page
    assert "5 6 * * 1,0 cd " in page
    assert 'python manage.py sync "Aha! User Load"' in page


@pytest.mark.parametrize(
    ("installation", "fields", "says"),
    [
        ("local", {"vendor": "goto", "type": "oauth2"}, "OAuth 2.0 tokens change by themselves"),
        ("local", {}, "Local needs credentials whose secret is kept outside"),
        ("cloud", {"stored": "reference"}, "Cloud needs credentials whose secret is stored here"),
    ],
)
def test_an_installation_type_that_does_not_fit_is_refused_with_the_reason(
    installation: str, fields: dict[str, str], says: str
):
    """MO-10, M-35."""
    secret = "" if "stored" in fields else "client-id-0123"
    row = make_credentials("Odd", secret=secret, **fields)
    integration = make_integration(
        vendor=row.vendor, credentials=row, installation=installation, mappings=False
    )

    with pytest.raises(NotReady) as refused:
        services.launch(integration, by="me")

    assert says in next(
        one.message for one in refused.value.problems if one.field == "installation"
    )


def test_the_form_refuses_local_with_oauth(admin_page: Client):
    """MO-10."""
    row = make_credentials("Odd", secret="client-id-0123", vendor="goto", type="oauth2")
    integration = make_integration(vendor="goto", credentials=row, mappings=False, inputs={})
    url = reverse("admin:integrations_integration_change", args=(integration.pk,))

    answer = save(admin_page, url, "integration_form", installation="local")

    assert "OAuth 2.0 tokens change by themselves" in text_of(answer)
    assert Integration.objects.get().installation == "cloud"


def test_the_form_keeps_a_place_in_the_place_of_a_secret(admin_page: Client):
    row = make_credentials()
    url = reverse("admin:integrations_credentials_change", args=(row.pk,))

    answer = save(
        admin_page, url, "credentials_form", stored="reference", place_of_value="/run/secrets/aha"
    )

    assert answer.status_code == 302, text_of(answer)
    again = Credentials.objects.get()
    assert (again.stored, again.sealed, again.hints) == ("reference", "", {})
    assert again.references == {"value": {"file": "/run/secrets/aha"}}
    assert "/run/secrets/aha" in admin_page.get(url).content.decode()


def test_a_secret_typed_where_a_place_belongs_is_not_repeated(admin_page: Client):
    """S-06."""
    row = make_credentials()
    url = reverse("admin:integrations_credentials_change", args=(row.pk,))

    answer = save(
        admin_page, url, "credentials_form", stored="reference", value="canary-typed-secret"
    )

    assert "canary-typed-secret" not in answer.content.decode()
    assert Credentials.objects.get().stored == "sealed"


@pytest.mark.parametrize(
    "typed",
    [
        "a3f5c0ffee0123456789abcdef0123456789abcdef0123456789abcdef012345",
        "canary+base64/of+a+key==",
        "eyJhbGciOiJIUzI1NiJ9",
        "keys/of/aha",
    ],
)
def test_a_secret_is_not_taken_for_the_name_of_its_place(admin_page: Client, typed: str):
    """S-06: it would stand in the database, the history, exports and messages."""
    row = make_credentials()
    url = reverse("admin:integrations_credentials_change", args=(row.pk,))

    answer = save(admin_page, url, "credentials_form", stored="reference", place_of_value=typed)

    assert "The secret itself does not belong here" in text_of(answer)
    assert typed not in answer.content.decode()
    assert Credentials.objects.get().references == {}


@pytest.mark.parametrize("name", ["FERNET_KEYS", "SECRET_KEY", "DATABASE_URL"])
def test_a_page_cannot_send_rolecalls_own_secrets_to_a_vendor(admin_page: Client, name: str):
    """Who edits credentials is not who has the machine."""
    row = make_credentials()
    url = reverse("admin:integrations_credentials_change", args=(row.pk,))

    answer = save(admin_page, url, "credentials_form", stored="reference", place_of_value=name)

    assert "Rolecall's own" in text_of(answer)
    assert Credentials.objects.get().stored == "sealed"


def test_no_command_reads_rolecalls_own_secrets_for_a_vendor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FERNET_KEYS", "canary-key-of-rolecall")
    row = make_credentials(
        secret="", stored="reference", references={"value": {"env": "FERNET_KEYS"}}
    )

    with references.readable(), pytest.raises(AskPerson, match="Rolecall's own") as refused:
        services.access_for(row)

    assert "canary" not in refused.value.message


def test_a_file_that_keeps_a_secret_outside_names_the_cloud_integration_that_needs_it(
    it_admin: Any, monkeypatch: pytest.MonkeyPatch
):
    """M-35: also where the file says nothing of the integration."""
    monkeypatch.setenv("AHA_KEY", "Bearer canary-0123456789abcdef")
    apply(AHA)
    text = (
        "credentials:\n- {name: Aha production, vendor: aha, type: api_key, stored: reference, "
        "secrets: {value: {env: AHA_KEY}}}\n"
    )

    with pytest.raises(ConfigurationRefused, match="Aha! User Load"):
        apply(text)

    assert Credentials.objects.get().stored == "sealed"


def test_a_corrected_client_keeps_the_imported_refresh_token_in_one_apply(
    monkeypatch: pytest.MonkeyPatch,
):
    """The second apply changes nothing."""
    for name in ("ID", "SECRET", "TOKEN"):
        monkeypatch.setenv(f"GOTO_{name}", f"canary-{name}")
    text = (
        "credentials:\n- name: G\n  vendor: goto\n  type: oauth2\n"
        "  secrets: {client_id: {env: GOTO_ID}, client_secret: {env: GOTO_SECRET}, "
        "refresh_token: {env: GOTO_TOKEN}}\n"
    )
    apply(text)
    monkeypatch.setenv("GOTO_ID", "canary-corrected")

    apply(text)

    assert open_sealed(Credentials.objects.get())["refresh_token"] == "canary-TOKEN"
    assert apply(text).changes == ()


def test_a_file_with_places_exports_and_applies_to_nothing_new(local: Integration):
    """`config export` is stable and holds no secret."""
    exported = export_text()

    assert "stored: reference" in exported
    assert "env: AHA_KEY_OUTSIDE" in exported
    assert "installation: local" in exported
    assert apply(exported).changes == ()


def test_a_file_cannot_keep_oauth_outside():
    text = (
        "credentials:\n- {name: G, vendor: goto, type: oauth2, stored: reference, "
        "secrets: {client_id: {env: A}, client_secret: {env: B}}}\n"
    )

    with pytest.raises(ConfigurationRefused, match=r"test.yaml:2: credentials\[0\].stored: OAuth"):
        apply(text)


def test_oauth_in_a_file_is_checked_applied_and_exported(monkeypatch: pytest.MonkeyPatch):
    """An imported refresh token is taken over once: what was renewed since is not put back."""
    for name, value in (("ID", "client-1"), ("SECRET", "canary-secret"), ("TOKEN", "canary-rt")):
        monkeypatch.setenv(f"GOTO_{name}", value)
    text = (
        "credentials:\n- name: G\n  vendor: goto\n  type: oauth2\n"
        "  settings: {scope: 'identity:', client_authentication: body}\n"
        "  secrets: {client_id: {env: GOTO_ID}, client_secret: {env: GOTO_SECRET}, "
        "refresh_token: {env: GOTO_TOKEN}}\n"
    )
    apply(text)
    row = Credentials.objects.get()
    seal(row, {"refresh_token": "renewed-since"}, by="Rolecall")
    row.save(update_fields=["sealed"])

    assert apply(text).changes == ()
    assert open_sealed(Credentials.objects.get())["refresh_token"] == "renewed-since"
    exported = export_text()
    assert "canary" not in exported
    assert "refresh_token" not in exported
    assert "client_authentication: body" in exported


@pytest.mark.parametrize(
    ("settings", "at", "says"),
    [
        ("{grant_type: password}", "settings.grant_type", "authorization_code or"),
        ("{token_url: 'https://evil.example/t'}", "settings.token_url", "does not belong"),
        ("{tokenurl: x}", "settings.tokenurl", 'Did you mean "token_url"?'),
    ],
)
def test_settings_of_oauth_are_refused_naming_line_and_key(settings: str, at: str, says: str):
    text = f"credentials:\n- name: G\n  vendor: goto\n  type: oauth2\n  settings: {settings}\n"

    with pytest.raises(ConfigurationRefused) as refused:
        apply(text)

    assert f"test.yaml:5: credentials[0].{at}: " in str(refused.value)
    assert says in str(refused.value)


def test_check_vendors_reads_it_for_a_live_call(
    local: Integration, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AHA_KEY_OUTSIDE", key_of(sandbox))

    call_command("check_vendors", "--live", "Aha production")

    monkeypatch.delenv("AHA_KEY_OUTSIDE")
    with pytest.raises(CommandError, match="AHA_KEY_OUTSIDE is not set"):
        call_command("check_vendors", "--live", "Aha production")
