"""Where secrets come from: an environment variable or a file that the operator named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from django.conf import settings

from integrations.errors import AskPerson
from people.masking import register_secret

if TYPE_CHECKING:
    from integrations.models import Credentials

_LARGEST = 64 * 1024
_VISIBLE = re.compile(r"[\x20-\x7e]+")
# Whoever may name a place for a vendor's secret could else have these sent to that vendor.
_OWN = frozenset({"SECRET_KEY", "FERNET_KEYS", "DATABASE_URL", "CELERY_BROKER_URL", "EMAIL_URL"})


class SecretUnusable(Exception):
    """There is something, but no secret that could be sent; the message never shows it."""


class SecretUnset(Exception):
    """Nothing is there, which the second time is no mistake (M-35)."""


def is_our_own(variable: str) -> bool:
    """Say whether an environment variable holds a secret of this installation itself."""
    return variable.strip().upper() in _OWN


def read_secret(reference: Mapping[str, str], folder: FilePath) -> str:
    """The secret itself; file names are relative to `folder`.

    Raises SecretUnset or SecretUnusable with a sentence that names the place.
    """
    if "env" in reference:
        name = reference["env"].strip()
        if is_our_own(name):
            raise SecretUnusable(f"{name} is Rolecall's own secret and no vendor's")
        place, value = f"the environment variable {name}", os.environ.get(name, "").strip()
        if not value:
            raise SecretUnset(f"{place} is not set")
    else:
        place, value = _from_file(reference["file"].strip(), folder)
    if not _VISIBLE.fullmatch(value):
        raise SecretUnusable(f"{place} holds a line break or a character that no key has")
    return value


class _Process:
    """Whether this process may read secrets that are kept outside: commands say so (M-35)."""

    readers = 0


@contextmanager
def readable() -> Iterator[None]:
    """Let this process read them for as long as the block lasts: for commands that need them."""
    _Process.readers += 1
    try:
        yield
    finally:
        _Process.readers -= 1


def are_readable() -> bool:
    """Say whether this process may; web and worker never do."""
    return _Process.readers > 0


def read_stored(credentials: Credentials) -> dict[str, str]:
    """The secrets of credentials that only say where they are, from now on masked in logs.

    File names that do not begin with / are relative to the project's folder. Raises AskPerson
    (`credentials_invalid`) that names the variable or file, never what is in it. No query.
    """
    if not are_readable():
        raise _unusable(
            credentials,
            "their secret is kept outside of Rolecall, and only commands may read it, such as "
            f'`python manage.py check_vendors --live "{credentials.name}"`',
        )
    found: dict[str, str] = {}
    why = ""
    for name, reference in credentials.references.items():
        try:
            found[name] = read_secret(reference, settings.BASE_DIR)
        except (SecretUnset, SecretUnusable) as problem:
            why = f"{name}: {problem}; set it where the command runs"
            break
        register_secret(found[name])
    if why:
        raise _unusable(credentials, why)
    return found


def place_of(reference: Any) -> str:
    """Say where a secret is: `the environment variable AHA_KEY`, `the file /run/secrets/aha`."""
    if isinstance(reference, Mapping) and reference.get("env"):
        return f"the environment variable {reference['env']}"
    if isinstance(reference, Mapping) and reference.get("file"):
        return f"the file {reference['file']}"
    return "nowhere"


def _unusable(credentials: Credentials, why: str) -> AskPerson:
    return AskPerson("credentials_invalid", f'Credentials "{credentials.name}": {why}.')


def _from_file(name: str, folder: FilePath) -> tuple[str, str]:
    place = f"the file {name}"
    try:
        with (folder / name).expanduser().open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise SecretUnset(f"{place} cannot be read ({reason.lower()})") from None
    except ValueError:
        raise SecretUnusable(f"{place} has no usable name") from None
    if len(content) > _LARGEST:
        raise SecretUnusable(f"{place} is too large for a secret")
    try:
        value = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise SecretUnusable(f"{place} holds no text") from None
    if not value:
        raise SecretUnset(f"{place} is empty")
    return place, value
