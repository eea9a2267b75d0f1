"""Whatever stands where: a file is applied or refused, and nothing else ever happens."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from integrations.configuration.parse import parse
from integrations.errors import ConfigurationRefused
from tests.integrations.configuration.files import AHA, SECRET, apply

pytestmark = pytest.mark.django_db
ODD: list[Any] = [
    None,
    " ",
    [],
    {},
    -1,
    1.5e300,
    True,
    "x" * 5_000,
    "{{",
    {"": {"": None}},
    [{"all": [{"any": {"all": 3}}]}],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value, mappings and lists included."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def with_value(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(tree)
    node = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return changed


WHOLE = yaml.safe_load(AHA)


def refusal(attempt: Callable[[], object]) -> ConfigurationRefused | None:
    """How the file was refused; None when it was taken. Anything else that is raised fails."""
    try:
        attempt()
    except ConfigurationRefused as refused:
        return refused
    return None


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_an_odd_value_anywhere_is_refused_in_words_or_accepted(path: tuple[Any, ...]):
    for value in ODD:
        text = yaml.safe_dump(with_value(WHOLE, path, value), allow_unicode=True)

        refused = refusal(partial(apply, text, plan=True))

        assert refused is None or all(one.message for one in refused.problems)
        assert SECRET not in str(refused)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_or_refused(text: str):
    refused = refusal(lambda: parse(text, file="odd.yaml"))

    assert refused is None or refused.problems


@given(data=st.data())
def test_a_file_with_a_piece_cut_out_is_read_or_refused(data: st.DataObject):
    start = data.draw(st.integers(0, len(AHA)))
    end = data.draw(st.integers(start, min(len(AHA), start + 40)))
    put = data.draw(
        st.sampled_from(["", ":", "- ", "{", "]", '"', "\n", "&a ", "*a", "!", "\t", "%"])
    )

    refused = refusal(lambda: parse(AHA[:start] + put + AHA[end:], file="odd.yaml"))

    assert refused is None or refused.problems
