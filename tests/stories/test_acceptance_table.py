"""Each line, rule and trial that workflows promise is named by a test that asserts something."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Of pytest and Playwright; `django_assert_num_queries` and the like say it in their names.
_ASSERTING = ("raises", "warns", "expect")
_NAMED = re.compile(r"\b([A-Z]{1,2})-(\d{2})([a-z]?)\b(?:\.\.(?:[A-Z]{1,2}-)?(\d{2}))?")
_IN_NAME = re.compile(r"(?<![a-z])(c|bw|gt|ah|mo)_(\d{2})(?!\d)")


def numbered(word: str, first: int, last: int) -> list[str]:
    return [f"{word}-{number:02}" for number in range(first, last + 1)]


LINES = [
    *numbered("C", 9, 26),
    *numbered("BW", 1, 58),
    *numbered("GT", 1, 39),
    *(f"GT-23{letter}" for letter in "abcdefghij"),
    *numbered("AH", 37, 51),
    "MO-03",
    "MO-04",
    "MO-09",
    *numbered("MO", 34, 36),
    *numbered("M", 18, 30),
    *("F-04", "F-05", "F-06", "F-10", "F-11", "F-12", "F-40"),
    *("S-10", "S-12", "S-19", "S-21"),
    "G-09",
]


def lines_of(text: str) -> Iterator[str]:
    """`BW-56`, `GT-23a`, and each of `GT-33..GT-36` or `BW-52..54`."""
    for word, first, letter, last in _NAMED.findall(text):
        yield from (
            [f"{word}-{first}{letter}"]
            if letter
            else numbered(word, int(first), int(last or first))
        )


def asserts(function: ast.FunctionDef, helpers: Collection[str] = ()) -> bool:
    """Whether it asserts something, waits for an error, or calls a helper that does."""
    parts = list(ast.walk(function))
    called = (ast.unparse(part.func) for part in parts if isinstance(part, ast.Call))
    names = {one.rpartition(".")[2] for one in called}
    return (
        any(isinstance(part, ast.Assert) for part in parts)
        or not names.isdisjoint({*_ASSERTING, *helpers})
        or any("assert" in name for name in names)
    )


def functions_of(file: Path) -> list[ast.FunctionDef]:
    found = ast.walk(ast.parse(file.read_text()))
    return [one for one in found if isinstance(one, ast.FunctionDef)]


def named_in(file: Path) -> Iterator[tuple[str, str]]:
    """(line, test) of each test that names a line and asserts something, or calls what does."""
    functions = functions_of(file)
    helpers = {one.name for one in functions if asserts(one)}
    for one in functions:
        if one.name.startswith("test_") and asserts(one, helpers):
            text = ast.get_docstring(one) or ""
            names = {*lines_of(text), *(f"{w.upper()}-{n}" for w, n in _IN_NAME.findall(one.name))}
            yield from ((name, f"{file.name}::{one.name}") for name in names)


@pytest.fixture(scope="module")
def table() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for line, test in named_in(file):
            found.setdefault(line, []).append(test)
    return found


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_named_by_a_test(line: str, table: dict[str, list[str]]) -> None:
    assert table.get(line), f"no test names {line}"


def test_a_test_that_only_calls_something_proves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "test_made_up.py"
    file.write_text(
        "def looks(page): assert page\n"
        "def test_calls():\n  'C-10'\n  open_page()\n"
        "def test_opens():\n  'C-11'\n  with opened() as page: page.read()\n"
        "def test_asserts():\n  'C-12'\n  assert open_page()\n"
        "def test_waits_for_an_error():\n  'C-13'\n  with pytest.raises(Error): open_page()\n"
        "def test_looks():\n  'C-14, GT-23a'\n  looks(page)\n"
    )

    named = {line for line, _test in named_in(file)}

    assert named == {"C-12", "C-13", "C-14", "GT-23a"}
