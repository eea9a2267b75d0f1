"""A mapping row as a function: source, transform, target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.errors import TransformFailed
from integrations.manifest_load import Load, SourceField
from integrations.mapping.problems import FieldProblem
from integrations.mapping.sources import Read, blanks_of, constant, field_reader
from integrations.mapping.targets import TEXTS, compile_target, is_trimmed, longest
from integrations.paths import MISSING, compile_path
from integrations.transforms import get_transform
from people.queries import Target


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A FieldMapping as the mapper needs it."""

    source: str
    constant: str | None
    transform: str
    target: Target


def compile_row(
    row: MappingRow, load: Load, sources: Mapping[str, Read], *, role_names: frozenset[str]
) -> tuple[str, Read]:
    """The target's key, and what reads its value off a record: MISSING where the record lacks it.

    The function raises FieldProblem. Raises UnknownTransform.
    """
    field = load.fields.get(row.source)
    source = _source_of(row, sources)
    transform = get_transform(row.transform) if row.transform else None
    convert = compile_target(row.target, field, load, role_names=role_names)
    target, label = row.target.key, row.target.label

    def read(record: Any) -> Any:
        try:
            value = source(record)
            if value is MISSING:
                return MISSING
            if value is not None and transform is not None:
                value = transform(value)
            return None if value is None else convert(value)
        except TransformFailed as problem:
            raise FieldProblem("value_unusable", target, f"{label}: {problem}") from None

    if row.target.type in TEXTS and transform is None and row.constant is None:
        return target, _text_in_one_step(field, row.target, load, read)
    return target, read


def _source_of(row: MappingRow, sources: Mapping[str, Read]) -> Read:
    """A constant, a field of the load, or a path into the record."""
    if row.constant is not None:
        return constant(row.constant)
    if row.source in sources:
        return sources[row.source]
    return compile_path(row.source)


def _text_in_one_step(field: SourceField | None, target: Target, load: Load, slowly: Read) -> Read:
    """Text straight into text, as most mappings are: ordinary values in one step."""
    if field is None or field.type != "text" or field.synthetic is not None:
        return slowly
    path = field_reader(field)
    blanks = blanks_of(load, "text")
    most, trim = longest(target), is_trimmed(target)

    def read(record: Any) -> Any:
        value = path(record)
        if (
            type(value) is str
            and len(value) <= most
            and value.isascii()
            and value.isprintable()
            and value not in blanks
        ):
            text = value.strip()
            return (text if trim else value) if text else None
        return slowly(record)

    return read
