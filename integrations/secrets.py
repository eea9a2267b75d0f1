"""Sealing and opening secrets (M-34); nothing else reads `Credentials.sealed`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from cryptography.fernet import InvalidToken
from django.utils import timezone

from integrations.errors import SecretsUnreadable
from people.masking import register_secret

if TYPE_CHECKING:
    from integrations.models import Credentials

_SHOW_LAST_FROM = 12  # A shorter secret would give away too much with its last four characters.
# Nobody types these, so nobody has to recognise them.
_WITHOUT_HINT = frozenset({"access_token", "imported"})
_WITHOUT_ENDING = frozenset({"refresh_token"})


def seal(
    credentials: Credentials,
    secrets: Mapping[str, str],
    *,
    by: str,
    without: Collection[str] = (),
) -> None:
    """Put `secrets` over those that are stored; a name that is not in them keeps its secret.

    Those named in `without` are dropped. Sets `sealed` and `hints` on the object, saves nothing.
    """
    stored = open_sealed(credentials) if credentials.sealed else {}
    kept = {name: value for name, value in stored.items() if name not in without}
    merged = {**kept, **{name: value for name, value in secrets.items() if value}}
    credentials.sealed = json.dumps({"for": str(credentials.uuid), "secrets": merged})
    now = timezone.now().isoformat(timespec="seconds")
    hints = {name: hint for name, hint in credentials.hints.items() if name in merged}
    for name, value in secrets.items():
        if value:
            register_secret(value)
            if name in _WITHOUT_HINT:
                continue
            shows = name not in _WITHOUT_ENDING and len(value) >= _SHOW_LAST_FROM
            last4 = value[-4:] if shows else ""
            hints[name] = {"last4": last4, "set_at": now, "set_by": by}
    credentials.hints = hints


def open_sealed(credentials: Credentials) -> dict[str, str]:
    """The secrets by name, from now on masked in logs; one query when the row has them not.

    Raises SecretsUnreadable when no key opens them, or when they were sealed for another row.
    """
    try:
        text = credentials.sealed
    except InvalidToken:
        raise SecretsUnreadable(
            f'The secrets of "{credentials.name}" cannot be read with the keys in FERNET_KEYS. '
            "Put back the key that sealed them, or enter the secrets again."
        ) from None
    if not text:
        return {}
    content = json.loads(text)
    if content.get("for") != str(credentials.uuid):
        raise SecretsUnreadable(
            f'The secrets stored with "{credentials.name}" were sealed for other credentials and '
            "are not used. Somebody changed the database by hand: enter the secrets again."
        )
    secrets: dict[str, str] = content["secrets"]
    for value in secrets.values():
        register_secret(value)
    return secrets
