"""From the text of a configuration file to its parts, with every mistake of form at its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, create_model
from pydantic_core import ErrorDetails

from integrations.configuration.problems import Path, Problems
from integrations.configuration.reader import MAX_BYTES, Document, Unreadable, read
from integrations.configuration.schema import PARTS, File, Part
from integrations.configuration.sections import SECTIONS, parts_of_sections
from integrations.errors import ConfigurationRefused, FileProblem, did_you_mean

TOO_LARGE = f"The file is too large: at most {MAX_BYTES // 1_000_000} MB are read."
# What later versions bring: refused, never ignored. A key that holds nothing asks for nothing.
_LATER_KEYS: dict[str, frozenset[str]] = {
    "integrations": frozenset({"source", "blocklist", "blank_status"}),
}
_LATER_VALUES: dict[str, dict[str, frozenset[str]]] = {
    "integrations": {"load": frozenset({"provisioning"})},
}
# Where nothing is a value of its own: it takes away what is stored.
_MAY_BE_NULL = frozenset(
    {"tenant", "base_url", "expires_on", "application", "credentials", "run_as"}
)


def parse(text: str, *, file: str) -> tuple[File, Document, Problems]:
    """Read the file and check its form; goes on collecting in the Problems that it gives.

    Raises ConfigurationRefused when the form has mistakes.
    """
    if len(text) > MAX_BYTES:
        raise ConfigurationRefused(file, [FileProblem(None, "", TOO_LARGE)])
    try:
        document = read(text)
    except Unreadable as problem:
        mistake = FileProblem(problem.line, "", problem.message)
        raise ConfigurationRefused(file, [mistake]) from None
    problems = Problems(file, document.line_of)
    if document.data is not None and not isinstance(document.data, dict):
        problems.add((), "must be keys with values, such as `variables:` and `integrations:`")
        problems.refuse_if_any()
    known = _known_parts()
    said = _without_blanks(document.data or {}, (), problems, known)
    try:
        parts = known[""].model_validate(said)
    except ValidationError as mistakes:
        for mistake_ in mistakes.errors(include_url=False):
            _add(mistake_, problems, known)
        problems.refuse_if_any()
        raise
    problems.refuse_if_any()
    return parts, document, problems


def _known_parts() -> dict[str, Any]:
    """The shapes of all parts by their place; the file's own has the sections of apps above too."""
    own: dict[str, Any] = {one.name: (list[one.parts[one.name]], []) for one in SECTIONS}  # type: ignore[name-defined]
    return {**PARTS, **dict(parts_of_sections()), "": create_model("File", __base__=File, **own)}


def _without_blanks(
    value: Any, path: Path, problems: Problems, known: Mapping[str, type[Part]]
) -> Any:
    """Leave out keys of parts that hold nothing; note what is not supported yet."""
    place = _part_at(path)
    if isinstance(value, list):
        return [_without_blanks(item, (*path, n), problems, known) for n, item in enumerate(value)]
    if place not in known or not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        inside = (*path, key)
        if key in _LATER_KEYS.get(place, ()):
            if inner not in (None, [], {}, ""):
                problems.add(inside, "not yet supported; it comes in a later version")
        elif isinstance(inner, str) and inner in _LATER_VALUES.get(place, {}).get(key, ()):
            problems.add(inside, f'"{inner}" is not yet supported; it comes in a later version')
        elif inner is not None or (key in _MAY_BE_NULL and place):
            kept[key] = _without_blanks(inner, inside, problems, known)
    return kept


def _part_at(path: Path) -> str:
    return ".".join(str(key) for key in path if not isinstance(key, int))


def _add(mistake: ErrorDetails, problems: Problems, known: Mapping[str, type[Part]]) -> None:
    path: Path = tuple(mistake["loc"])
    if problems.are_under(path):
        return  # It was left out above, with a better sentence.
    problems.add(_known_path(path), _sentence(mistake, path, known))


def _known_path(path: Path) -> Path:
    """Cut off what pydantic adds for the members of a union."""
    return tuple(key for key in path if not (isinstance(key, str) and "[" in key))


def _sentence(mistake: ErrorDetails, path: Path, parts: Mapping[str, type[Part]]) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    known = parts.get(_part_at(path[:-1]))
    if kind == "extra_forbidden" and known is not None:
        later = _LATER_KEYS.get(_part_at(path[:-1]), frozenset())
        return f"unknown key.{did_you_mean(str(path[-1]), {*known.model_fields, *later})}"
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", '"')
        words = choices.replace(" or ", ", ").replace('"', "").split(", ")
        return f"must be {choices}.{did_you_mean(str(mistake['input'])[:100], words)}"
    plain = {
        "missing": "is missing",
        "bool_type": "must be true or false",
        "int_type": "must be a whole number",
        "list_type": "must be a list",
        "dict_type": "must be keys with values",
        "model_type": "must be keys with values",
        "too_short": "must not be blank",
        "too_long": f"has more than {context.get('max_length')} characters",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
    }
    return plain.get(kind, mistake["msg"])
