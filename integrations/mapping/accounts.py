"""What a record says of its account: e-mail, name, last activity, status, roles."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from integrations import templates
from integrations.errors import TransformFailed
from integrations.manifest_load import Load
from integrations.mapping.problems import FieldProblem
from integrations.mapping.sources import Read, or_none
from integrations.mapping.targets import read_moment, status_reader, text_reader
from integrations.paths import MISSING

_ROLE_LENGTHS = (200, 200, 300)


def compile_account(load: Load, sources: Mapping[str, Read]) -> list[tuple[str, Read]]:
    """Name and reader of each part of the account that the load tells; they raise FieldProblem."""
    account = load.account
    parts = {
        "email": (account.email, text_reader(320)),
        "name": (account.name, text_reader(400)),
        "last_activity": (account.last_activity, read_moment),
    }
    return [
        (name, _part(name, _field_or_template(text.strip(), text, sources), convert))
        for name, (text, convert) in parts.items()
        if text is not None
    ]


def _field_or_template(field: str, text: str, sources: Mapping[str, Read]) -> Read:
    """A field of the load, or a template of several; MISSING where the record lacks all of them."""
    if field in sources:
        return sources[field]
    wanted = {part: sources[part] for part in templates.parse(text).names}

    def read(record: Any) -> Any:
        found = {part: read_part(record) for part, read_part in wanted.items()}
        if all(value is MISSING for value in found.values()):
            return MISSING
        values = {part: or_none(value) for part, value in found.items()}
        return " ".join(templates.render_text(text, values, absent="blank").split())

    return read


def _part(name: str, source: Read, convert: Read) -> Read:
    def read(record: Any) -> Any:
        try:
            value = source(record)
            return value if value is None or value is MISSING else convert(value)
        except TransformFailed as problem:
            raise FieldProblem("value_unusable", name, f"{name}: {problem}") from None

    return read


def compile_status(load: Load, sources: Mapping[str, Read]) -> Read:
    """The record's own word on whether it is active; None where its answer does not say."""
    if load.status is None:
        return lambda _record: None
    source = sources[load.status.field]
    others = load.status.others
    # What the vendor's folder leaves as it is must not be decided by our words (GT-34).
    convert = status_reader(load, only_own=others == "leave")

    def read(record: Any) -> Any:
        try:
            value = source(record)
            return None if value is None or value is MISSING else convert(value)
        except TransformFailed as problem:
            if others == "leave":
                return None
            raise FieldProblem("status_unknown", "status", f"Status: {problem}") from None

    return read


@lru_cache(maxsize=4096)
def clean_role(role: str, scope_id: str, scope: str) -> list[str]:
    """A role as it fits its columns; roles are no key, so that cutting them harms nobody."""
    return [
        part
        if len(part) <= length and part.isascii() and part.isprintable()
        else part[:length].replace("\x00", "").encode("utf-8", "replace").decode()
        for part, length in zip((role, scope_id, scope), _ROLE_LENGTHS, strict=True)
    ]
