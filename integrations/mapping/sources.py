"""Reading the fields of a vendor's record: path, blanks, the manifest's words, constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integrations.errors import TransformFailed
from integrations.manifest_load import Load, SourceField
from integrations.manifest_parts import FieldType
from integrations.paths import MISSING, compile_path, parse_path, walk
from integrations.values import READERS

Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Constants:
    """What the synthetic source fields hold in this run (AH-30)."""

    credentials: str
    source: str
    inputs: Mapping[str, str]


def compile_sources(load: Load, constants: Constants) -> dict[str, Read]:
    """A reader for each field of the load: MISSING where the record lacks it, None where blank."""
    return {
        name: _field_with_blanks(field, load)
        if field.synthetic is None
        else constant(_synthetic(field, constants))
        for name, field in load.fields.items()
    }


def _field_with_blanks(field: SourceField, load: Load) -> Read:
    path = field_reader(field)
    blanks = blanks_of(load, field.type)
    read_type = READERS[field.type]
    is_text = field.type == "text"

    def read(record: Any) -> Any:
        value = path(record)
        if value is None or value is MISSING:
            return value
        if type(value) is str:
            if value in blanks or not value.strip():
                return None
            return value if is_text else read_type(value)
        return plain_text(value) if is_text else read_type(value)

    return read


def blanks_of(load: Load, type_: FieldType) -> tuple[Any, ...]:
    """The vendor's own ways to write nothing in a field of this type."""
    return (*load.blank.get("any", ()), *load.blank.get(type_, ()))


def _synthetic(field: SourceField, constants: Constants) -> str | None:
    if field.synthetic == "credentials":
        return constants.credentials
    if field.synthetic == "source":
        return constants.source
    if field.synthetic == "input":
        return constants.inputs.get(field.input or "")
    return None  # sync_time: shown from LinkState, in no plan (M-1)


def constant(value: Any) -> Read:
    """A reader that gives the same for every record."""
    return lambda _record: value


def field_reader(field: SourceField) -> Read:
    """The look-up of a field, with the manifest's own words for the vendor's values."""
    path = _path_reader(field.path or "")
    if field.yes_if or field.no_if:
        return _yes_or_no(field, path)
    if field.words:
        return _translated(field.words, path)
    return path


def _path_reader(text: str) -> Read:
    """The look-up of a path; None where an object on its way is null: there is none then."""
    path, steps = compile_path(text), parse_path(text)
    if len(steps) == 1:
        return path
    ways = [steps[:count] for count in range(1, len(steps))]

    def read(record: Any) -> Any:
        value = path(record)
        if value is MISSING and any(walk(record, way) is None for way in ways):
            return None
        return value

    return read


def _yes_or_no(field: SourceField, path: Read) -> Read:
    yes = {as_word(one) for one in field.yes_if}
    no = {as_word(one) for one in field.no_if}

    def read(record: Any) -> Any:
        value = path(record)
        if value is None or value is MISSING or value == "":
            return value
        word = as_word(value)
        return word in yes if yes else word not in no

    return read


def _translated(ours: Mapping[Any, Any], path: Read) -> Read:
    words = {as_word(one): our_word for one, our_word in ours.items()}

    def read(record: Any) -> Any:
        value = path(record)
        if isinstance(value, str | bool | int):
            return words.get(as_word(value), value)
        return value

    return read


def as_word(value: Any) -> str:
    """A value as words are compared: without case, and spaces at its ends."""
    return str(value).strip().casefold()


def or_none(value: Any) -> Any:
    """The value, or None where the record lacks it."""
    return None if value is MISSING else value


def plain_text(value: Any) -> str:
    """Numbers, switches, dates and lists of words as text. Raises TransformFailed for the rest."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, list) and all(type(item) in {str, int} for item in value):
        return ", ".join(map(str, value))
    raise TransformFailed("a list or an object where text is expected; choose a path into it.")
