"""Where secrets come from: an environment variable or a file that the operator named."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path as FilePath

_LARGEST = 64 * 1024
_VISIBLE = re.compile(r"[\x20-\x7e]+")


class SecretUnusable(Exception):
    """There is something, but no secret that could be sent; the message never shows it."""


class SecretUnset(Exception):
    """Nothing is there, which the second time is no mistake (M-35)."""


def read_secret(reference: Mapping[str, str], folder: FilePath) -> str:
    """The secret itself; file names are relative to `folder`.

    Raises SecretUnset or SecretUnusable with a sentence that names the place.
    """
    if "env" in reference:
        name = reference["env"].strip()
        place, value = f"the environment variable {name}", os.environ.get(name, "").strip()
        if not value:
            raise SecretUnset(f"{place} is not set")
    else:
        place, value = _from_file(reference["file"].strip(), folder)
    if not _VISIBLE.fullmatch(value):
        raise SecretUnusable(f"{place} holds a line break or a character that no key has")
    return value


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
