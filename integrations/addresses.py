"""E-mail addresses that mail can be sent to."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

_validate = EmailValidator()


def is_address(text: str) -> bool:
    """Say whether mail can be sent to this; nothing that could begin another header passes."""
    try:
        _validate(text)
    except ValidationError:
        return False
    return text.isascii()
