"""What values become on their way into fields and variables (M-24)."""

from __future__ import annotations

from typing import Any

import pytest

from people.queries import Target
from workflows.errors import Unfit
from workflows.fitting import fit, fit_variable, variable_name


def _target(type_: str, *, max_length: int | None = None) -> Target:
    return Target(
        key="field",
        label="Field",
        type=type_,
        max_length=max_length,
        may_be_sync_key=False,
        custom=True,
    )


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("text", 42, "42"),
        ("text", " padded ", "padded"),
        ("text", ["a", "b"], "a, b"),
        ("text", True, "true"),
        ("long_text", {"id": 1}, '{"id":1}'),
        ("long_text", [{"id": 1}], '[{"id":1}]'),
        ("integer", "42", 42),
        ("decimal", "1.50", "1.50"),
        ("boolean", "no", False),
        ("boolean", False, False),
        ("date", "2026-12-31T09:00:00Z", "2026-12-31"),
        ("datetime", "2026-12-31T09:00:00+01:00", "2026-12-31T08:00:00+00:00"),
        ("department", "Sales", "Sales"),
        ("manager", "boss@example.com", "email:boss@example.com"),
    ],
)
def test_a_value_takes_the_shape_of_its_target(type_: str, value: Any, expected: Any) -> None:
    assert fit(value, _target(type_)) == expected


@pytest.mark.parametrize("type_", ["text", "long_text", "integer", "decimal", "boolean", "date"])
@pytest.mark.parametrize("blank", [None, "", "   "])
def test_a_blank_clears_any_field(type_: str, blank: Any) -> None:
    assert fit(blank, _target(type_)) is None


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        ("date", "soon", '"Field" takes a date: "soon" is no date'),
        ("integer", "1.5", '"Field" takes a whole number'),
        ("decimal", "NaN", '"Field" takes a number'),
        ("boolean", "perhaps", '"Field" takes yes or no'),
        ("text", {"id": 1}, '"Field" takes text: a list or an object'),
        ("text", "x" * 1001, "at most 1,000 fit"),
        ("text", "nul\x00", "NUL byte"),
        ("text", "\ud83d", "half of a character"),
        ("status", "active", "a workflow cannot write it"),
        ("role", "Employee", "a workflow cannot write it"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field_and_the_reason(
    type_: str, value: Any, words: str
) -> None:
    with pytest.raises(Unfit) as refused:
        fit(value, _target(type_))

    assert words in refused.value.message


def test_a_field_takes_as_many_characters_as_its_column() -> None:
    assert fit("x" * 20, _target("text", max_length=20)) == "x" * 20
    with pytest.raises(Unfit, match="at most 20 fit"):
        fit("x" * 21, _target("text", max_length=20))


@pytest.mark.parametrize(
    "value", ["text", 5, True, None, {"a": [1, {"b": None}]}, "literal \\u0000"]
)
def test_a_variable_keeps_plain_data_as_it_is(value: Any) -> None:
    assert fit_variable(value, "x") == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x" * 100_001, "at most 100,000"),
        (["deep", {"nul": "\x00"}], "NUL byte"),
        ({"half": "\ud83d"}, "broken character"),
        (2**70, "too long"),
    ],
)
def test_a_variable_refuses_what_no_database_keeps(value: Any, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        fit_variable(value, "x")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("variables.aha_id", "aha_id"),
        ("variables.X1", "X1"),
        ("variables.", ""),
        ("variables.a.b", ""),
        ("variables.a b", ""),
        ("variables.é", ""),
        ("variables." + "x" * 61, ""),
        ("email", ""),
    ],
)
def test_only_letters_digits_and_underscores_name_a_variable(target: str, name: str) -> None:
    assert variable_name(target) == name
