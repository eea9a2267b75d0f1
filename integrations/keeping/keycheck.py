"""Which keys fit: told by a value that only their owner can compute, never by the keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from fernet_fields.hkdf import derive_fernet_key

_CHECK_LENGTH = 16


def rings() -> list[Fernet]:
    """One opener per key of FERNET_KEYS, newest first, derived as the encrypted field does."""
    return [Fernet(key) for key in _derived()]


def check_values(salt: str) -> list[str]:
    """For each key of FERNET_KEYS a short value that shows the same key again for this salt."""
    return [
        hmac.new(key, f"rolecall backup {salt}".encode(), hashlib.sha256).hexdigest()[
            :_CHECK_LENGTH
        ]
        for key in _derived()
    ]


def number_of_key(sealed: bytes, openers: Sequence[Fernet]) -> int | None:
    """Which of the keys opens this, counted from 0; None when none does."""
    for number, opener in enumerate(openers):
        try:
            opener.decrypt(sealed)
        except InvalidToken:
            continue
        return number
    return None


def _derived() -> list[bytes]:
    keys: list[str] = settings.FERNET_KEYS
    return [derive_fernet_key(key) for key in keys]
