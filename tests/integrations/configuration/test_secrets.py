"""Secrets of a configuration file: read from where it says, sealed, never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection

from integrations.configuration import export_text
from integrations.errors import ConfigurationRefused
from integrations.models import Credentials
from integrations.secrets import open_sealed
from tests.integrations.configuration.files import AHA, SECRET, apply

pytestmark = pytest.mark.django_db
FROM_FILE = AHA.replace("{env: AHA_KEY}", "{file: keys/aha.txt}")


def test_a_secret_is_sealed_and_shown_nowhere():
    """S-05, S-06, M-34."""
    receipt = apply(AHA)

    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed, hints, settings FROM integrations_credentials")
        stored = json.dumps([str(cell) for cell in cursor.fetchone()])
    assert SECRET not in stored
    assert SECRET not in str(receipt) + repr(receipt) + export_text()
    assert "secrets.value: set" in str(receipt)


def test_a_changed_secret_is_told_as_changed(monkeypatch: pytest.MonkeyPatch):
    apply(AHA)
    monkeypatch.setenv("AHA_KEY", "Bearer another-0123456789")

    receipt = apply(AHA)

    assert str(receipt).splitlines()[:2] == [
        "~ credentials: Aha production",
        "    secrets.value: set -> changed",
    ]
    assert open_sealed(Credentials.objects.get()) == {"value": "Bearer another-0123456789"}


@pytest.mark.parametrize("value", ["", "   "])
def test_an_unset_variable_keeps_the_stored_secret_and_says_so(
    monkeypatch: pytest.MonkeyPatch, value: str
):
    """M-35."""
    apply(AHA)
    monkeypatch.setenv("AHA_KEY", value)

    receipt = apply(AHA)

    assert receipt.changes == ()
    assert receipt.notes == (
        (
            'credentials "Aha production": the environment variable AHA_KEY is not set; '
            "the stored value is kept"
        ),
    )
    assert open_sealed(Credentials.objects.get()) == {"value": SECRET}


def test_an_unset_variable_is_a_mistake_the_first_time(monkeypatch: pytest.MonkeyPatch):
    """M-35."""
    monkeypatch.delenv("AHA_KEY")

    with pytest.raises(ConfigurationRefused) as refused:
        apply(AHA)

    assert str(refused.value) == (
        "test.yaml:10: credentials[0].secrets.value: the environment variable AHA_KEY is not set"
    )
    assert not Credentials.objects.exists()


def test_a_secret_can_stand_in_a_file_beside_the_configuration(tmp_path: Path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "aha.txt").write_text(f"{SECRET}\n")

    apply(FROM_FILE, folder=tmp_path)

    assert open_sealed(Credentials.objects.get()) == {"value": SECRET}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "the file keys/aha.txt cannot be read (no such file or directory)"),
        (b"", "the file keys/aha.txt is empty"),
        (b"one\ntwo", "holds a line break"),
        (b"\xff\xfe", "holds no text"),
        (b"x" * 70_000, "too large"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused(
    tmp_path: Path, content: bytes | None, says: str
):
    (tmp_path / "keys").mkdir()
    if content is not None:
        (tmp_path / "keys" / "aha.txt").write_bytes(content)

    with pytest.raises(ConfigurationRefused, match="credentials") as refused:
        apply(FROM_FILE, folder=tmp_path)

    assert says in str(refused.value)


def test_a_key_without_the_word_bearer_is_remarked_on(monkeypatch: pytest.MonkeyPatch):
    """AH-05."""
    monkeypatch.setenv("AHA_KEY", "0123456789abcdef")

    receipt = apply(AHA)

    assert any("Bearer" in note for note in receipt.notes)
    assert not any("0123456789" in note for note in receipt.notes)


def test_an_active_integration_needs_a_secret():
    without = AHA.replace("    secrets: {value: {env: AHA_KEY}}\n", "")

    with pytest.raises(ConfigurationRefused, match='"Aha production" hold no secret yet'):
        apply(without)


def test_secrets_that_no_key_opens_are_replaced_when_all_are_given():
    apply(AHA)
    other = Credentials.objects.create(name="Other", vendor="aha", type="api_key")
    row = Credentials.objects.get(name="Aha production")
    Credentials.objects.filter(pk=row.pk).update(
        sealed=json.dumps({"for": str(other.uuid), "secrets": {"value": "stolen"}})
    )

    receipt = apply(AHA)

    assert len(receipt.changes) == 1
    assert open_sealed(Credentials.objects.get(pk=row.pk)) == {"value": SECRET}


def test_a_new_secret_asks_for_another_test():
    apply(AHA)
    Credentials.objects.update(test_state="connected", test_message="ok")

    apply(
        AHA.replace("add_to: header", "add_to: header").replace(
            "expires_on: null", "expires_on: 2027-01-01"
        )
    )
    kept = Credentials.objects.get().test_state
    apply(
        "credentials:\n- {name: Aha production, vendor: aha, base_url: 'https://x.aha.io/api/v1'}\n"
    )

    assert (kept, Credentials.objects.get().test_state) == ("connected", "untested")
