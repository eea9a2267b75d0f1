"""Hostile answers that spoil the structure of a good one and stay JSON."""

import random
from collections.abc import Callable
from typing import Any

from integrations.sandbox.poison import main_rows, somewhere, walk

MANY = 20_000
OTHER_TYPES: tuple[Any, ...] = (None, True, 0, -1, 1.5, 2**63, "", "x", [], {}, [[]], {"a": 1})
STRANGE_DATES = (
    "0000-00-00",
    "2026-02-30",
    "9999-12-31",
    "-0001-01-01",
    "1/2/2026",
    "٢٠٢٦-٠١-٠١",
    "now",
)

Draw = random.Random


def error_with_200(draw: Draw, document: Any) -> Any:
    del document
    return draw.choice(
        [
            {"error": "Internal error"},
            {"errors": [{"message": "Forbidden"}]},
            {"error": {"code": 500, "message": None}},
            {"success": False},
        ]
    )


def wrong_envelope(draw: Draw, document: Any) -> Any:
    wrappers = [
        {"data": document},
        [document],
        {"result": {"items": document}},
        main_rows(document),
    ]
    return draw.choice(wrappers)


def keys_renamed(draw: Draw, document: Any) -> Any:
    change = draw.choice([str.upper, str.title, lambda key: key + "s", lambda key: " " + key])
    return _with_keys(document, change)


def _with_keys(document: Any, change: Callable[[str], str]) -> Any:
    if isinstance(document, dict):
        return {change(key): _with_keys(value, change) for key, value in document.items()}
    if isinstance(document, list):
        return [_with_keys(part, change) for part in document]
    return document


def types_swapped(draw: Draw, document: Any) -> Any:
    """Several values become one of another type."""
    for _ in range(draw.randint(1, 10)):
        container, key = somewhere(draw, document)
        container[key] = draw.choice(
            [None, True, 0, -1, 1.5, 2**63, "", "x", [], {}, [[]], {"a": 1}]
        )
    return document


def all_null(draw: Draw, document: Any) -> Any:
    del draw
    for row in main_rows(document):
        for key in row:
            row[key] = None
    return document


def rows_are_no_objects(draw: Draw, document: Any) -> Any:
    for container, key in list(walk(document)):
        if isinstance(container[key], list) and container[key]:
            container[key] = [draw.choice([None, 1, "x", [], True]) for _ in container[key]]
    return document


def rows_without_ids(draw: Draw, document: Any) -> Any:
    del draw
    for row in main_rows(document):
        row.pop("id", None)
    return document


def rows_with_one_id(draw: Draw, document: Any) -> Any:
    del draw
    for row in main_rows(document):
        row["id"] = "1"
    return document


def ids_of_other_types(draw: Draw, document: Any) -> Any:
    for row in main_rows(document):
        row["id"] = draw.choice([1, 1.0, True, None, "", " ", "../1", "1\x00", ["1"], {"id": "1"}])
    return document


def arrays_are_objects(draw: Draw, document: Any) -> Any:
    """Lists become maps by place, as PHP does it, and maps become lists."""
    del draw
    for container, key in list(walk(document)):
        value = container[key]
        if isinstance(value, list):
            container[key] = {str(place): part for place, part in enumerate(value)}
        elif isinstance(value, dict) and not isinstance(container, list):
            container[key] = list(value.values())
    return document


def numbers_lie(draw: Draw, document: Any) -> Any:
    """Every number, so every count and page, is another one."""
    for container, key in list(walk(document)):
        if isinstance(container[key], int) and not isinstance(container[key], bool):
            container[key] = draw.choice([0, -1, 2**31, 2**63, 10**18, 1])
    return document


def strange_dates(draw: Draw, document: Any) -> Any:
    for container, key in list(walk(document)):
        value = container[key]
        if isinstance(value, str) and value[4:5] == "-" and value[7:8] == "-":
            container[key] = draw.choice(STRANGE_DATES)
    return document


def many_keys(draw: Draw, document: Any) -> Any:
    rows = main_rows(document)
    if rows:
        draw.choice(rows).update({f"key{number}": number for number in range(MANY)})
    return document


def many_rows(draw: Draw, document: Any) -> Any:
    """The same records over and over."""
    del draw
    for container, key in list(walk(document)):
        value = container[key]
        if isinstance(value, list) and value and isinstance(value[0], dict) and "id" in value[0]:
            container[key] = value * max(1, MANY // len(value))
            return document
    return document


def prototype_keys(draw: Draw, document: Any) -> Any:
    names = ["__proto__", "constructor", "__class__", "__init__", "pk", "password", ""]
    for row in main_rows(document):
        row[draw.choice(names)] = {"polluted": True}
    return document


ON_STRUCTURE: dict[str, Callable[[Draw, Any], Any]] = {
    maker.__name__: maker
    for maker in (
        error_with_200,
        wrong_envelope,
        keys_renamed,
        types_swapped,
        all_null,
        rows_are_no_objects,
        rows_without_ids,
        rows_with_one_id,
        ids_of_other_types,
        arrays_are_objects,
        numbers_lie,
        strange_dates,
        many_keys,
        many_rows,
        prototype_keys,
    )
}
