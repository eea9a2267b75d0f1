"""Each acceptance line that workflows promise is named by a test that asserts something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_NAMED = re.compile(r"\b([A-Z]{1,2})-(\d{2})(?:\.\.(?:[A-Z]{1,2}-)?(\d{2}))?")
_IN_NAME = re.compile(r"(?<![a-z])(c|bw|gt|ah|mo)_(\d{2})(?!\d)")


def numbered(word: str, first: int, last: int) -> list[str]:
    return [f"{word}-{number:02}" for number in range(first, last + 1)]


LINES = [
    *numbered("C", 9, 26),
    *numbered("BW", 1, 58),
    *numbered("GT", 1, 39),
    *numbered("AH", 37, 51),
    "MO-03",
    "MO-04",
    "MO-09",
    *numbered("MO", 34, 36),
]


def lines_of(text: str) -> Iterator[str]:
    """`BW-56`, and each of `GT-33..GT-36` or `BW-52..54`."""
    for word, first, last in _NAMED.findall(text):
        yield from numbered(word, int(first), int(last or first))


def named_in(file: Path) -> Iterator[tuple[str, str]]:
    """(line, test) of each test that names a line and asserts something, or calls what does."""
    module = ast.parse(file.read_text())
    for one in ast.walk(module):
        if not isinstance(one, ast.FunctionDef) or not one.name.startswith("test_"):
            continue
        proves = any(isinstance(part, ast.Assert | ast.With | ast.Call) for part in ast.walk(one))
        text = ast.get_docstring(one) or ""
        names = {*lines_of(text), *(f"{w.upper()}-{n}" for w, n in _IN_NAME.findall(one.name))}
        if proves:
            yield from ((name, f"{file.relative_to(TESTS)}::{one.name}") for name in names)


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
