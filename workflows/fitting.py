"""Bringing a value into the shape of the field or variable that it is to be written to (M-24)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from integrations.errors import TransformFailed
from integrations.manifest_load import Load
from integrations.mapping.sources import Read
from integrations.mapping.targets import compile_target
from integrations.values import write_json
from people.queries import Target
from workflows.errors import Unfit

__all__ = ["VARIABLE", "Unfit", "fit", "fit_variable", "variable_name"]

VARIABLE = "variables."
"""A target that begins so is a variable of the item, not a field of the record."""
_LONGEST_VARIABLE = 100_000  # characters, as JSON
_LONGEST_NAME = 60
_NO_LOAD = Load.model_construct()  # a load's words are for statuses only
_TAKES = {
    "date": "a date",
    "datetime": "a point in time",
    "integer": "a whole number",
    "decimal": "a number",
    "boolean": "yes or no",
    "manager": "the e-mail or employee ID of a manager",
}


def fit(value: Any, target: Target) -> Any:
    """The value as plans and rows keep it; None clears the field. No query.

    Lists and objects go into long text only, as JSON. Raises Unfit with a sentence.
    """
    if target.type == "long_text" and isinstance(value, Mapping | list | tuple):
        value = write_json(value)
    if value is None:
        return None
    try:
        if isinstance(value, str) and not value.strip():
            return None
        return _reader(target)(value)
    except TransformFailed as problem:
        takes = _TAKES.get(target.type, "text")
        raise Unfit(f'"{target.label}" takes {takes}: {problem.message}') from None


@lru_cache(maxsize=512)
def _reader(target: Target) -> Read:
    if target.type in {"status", "role"}:
        raise TransformFailed("a workflow cannot write it; a sync or the vendor's block does.")
    return compile_target(target, None, _NO_LOAD, role_names=frozenset())


def fit_variable(value: Any, name: str) -> Any:
    """The value as the item keeps it: plain data of at most 100,000 characters. Raises Unfit."""
    try:
        written = orjson.dumps(value, default=str)
    except TypeError:
        raise Unfit(
            f'The variable "{name}" takes text, numbers, lists and objects; this value holds a '
            "broken character or a number that is too long."
        ) from None
    if b"\\u0000" in written.replace(b"\\\\", b""):
        raise Unfit(f'The variable "{name}" cannot hold a NUL byte; this value has one.')
    if len(written) > _LONGEST_VARIABLE:
        raise Unfit(
            f'The variable "{name}" holds at most {_LONGEST_VARIABLE:,} characters; this value has '
            f"{len(written):,}. Store a part of it."
        )
    return orjson.loads(written)


def variable_name(target: str) -> str:
    """The variable that a target names; empty where it is no good name, or no variable at all."""
    name = target.removeprefix(VARIABLE)
    good = target.startswith(VARIABLE) and name.isascii() and name.replace("_", "").isalnum()
    return name if good and len(name) <= _LONGEST_NAME else ""
