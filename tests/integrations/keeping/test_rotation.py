"""Secrets are sealed again with the newest key, and nothing that is written meanwhile is lost."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings as django_settings
from django.db import connection
from fernet_fields.hkdf import derive_fernet_key

from integrations.errors import SecretsUnreadable
from integrations.fields import EncryptedTextField
from integrations.keeping import rotation
from integrations.models import Credentials
from integrations.secrets import open_sealed, seal
from tests.integrations.keeping.copies import manage
from tests.makers import make_credentials

pytestmark = pytest.mark.django_db(transaction=True)
OLD = django_settings.FERNET_KEYS[0]
NEW = "a-new-key-0123456789-0123456789"


@pytest.fixture
def use_keys(settings: Any) -> Any:
    """Set FERNET_KEYS; the field keeps what it derived from the keys of before."""
    field = Credentials._meta.get_field("sealed")
    assert isinstance(field, EncryptedTextField)
    kept = {name: field.__dict__.pop(name, None) for name in ("keys", "fernet_keys", "fernet")}

    def use(*keys: str) -> None:
        settings.FERNET_KEYS = list(keys)
        for name in kept:
            field.__dict__.pop(name, None)

    yield use
    for name in kept:
        field.__dict__.pop(name, None)


def test_after_a_rotation_the_old_key_can_be_removed(use_keys: Any) -> None:
    """S-23: and what is bound to its credentials still is (M-34)."""
    for number in range(3):
        make_credentials(f"Key {number}", secret=f"secret-number-{number}-abcdef")
    use_keys(NEW, OLD)

    done = rotation.rotate_keys()
    again = rotation.rotate_keys()
    use_keys(NEW)

    assert (done.total, done.sealed, done.changed, done.is_complete) == (3, 3, 3, True)
    assert (again.changed, again.is_complete) == (0, True)
    found = [open_sealed(one)["value"] for one in Credentials.objects.order_by("pk")]
    assert found == [f"secret-number-{number}-abcdef" for number in range(3)]


def test_a_copy_of_before_does_not_open_with_the_new_key_alone(use_keys: Any) -> None:
    """S-23, G-15."""
    make_credentials("Key", secret="secret-of-before-abcdef")
    before = next(rotation.every_sealed()).token
    use_keys(NEW, OLD)
    rotation.rotate_keys()

    with pytest.raises(InvalidToken):
        Fernet(derive_fernet_key(NEW)).decrypt(before)


def test_a_secret_that_is_entered_meanwhile_wins(use_keys: Any) -> None:
    """S-23: compare and set."""
    row = make_credentials("Key", secret="the-first-secret-abcdef")
    read = next(rotation.every_sealed())
    use_keys(NEW, OLD)
    seal(row, {"value": "entered-meanwhile-abcdef"}, by="admin")
    row.save()

    assert rotation._replace(read, b"too late") is False
    assert rotation.rotate_keys().is_complete
    assert open_sealed(Credentials.objects.get())["value"] == "entered-meanwhile-abcdef"


def test_what_no_key_opens_is_named_and_the_others_are_sealed_again(use_keys: Any) -> None:
    """S-23: exit code 1, and no word that a key can go."""
    make_credentials("Lost", secret="lost-secret-abcdef")
    use_keys("yet-another-key")
    make_credentials("Kept", secret="kept-secret-abcdef")
    use_keys(NEW, "yet-another-key")
    connection.close()
    done = manage("rotate_keys", FERNET_KEYS=f"{NEW},yet-another-key")

    assert done.returncode == 1
    assert '"Lost"' in done.stderr
    assert '"Kept"' not in done.stderr
    assert "can be removed" not in done.stdout
    assert "1 of 2" in done.stdout
    use_keys(NEW)
    assert open_sealed(Credentials.objects.get(name="Kept"))["value"] == "kept-secret-abcdef"
    with pytest.raises(SecretsUnreadable):
        open_sealed(Credentials.objects.get(name="Lost"))


def test_the_command_says_when_the_old_key_can_go(use_keys: Any) -> None:
    make_credentials("Key", secret="secret-abcdef-123456")
    done = manage("rotate_keys", FERNET_KEYS=f"{NEW},{OLD}")

    assert done.returncode == 0, done.stderr
    assert "1 of 1" in done.stdout
    assert "the old key can be removed" in done.stdout
