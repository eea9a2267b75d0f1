"""What the forms of blocks compute: differences from presets, keys, and where a new block stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.presets.own import with_request
from integrations.registry import get_preset
from workflows.definition import BlockPart, Definition
from workflows.forms.connecting import connected, last_place, new_key
from workflows.forms.request import (
    BodyInvalid,
    as_rows,
    body_text,
    difference,
    from_rows,
    merged,
    read_body,
    request_of,
)

_plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab{} ", max_size=4)
_trees = st.recursive(
    _plain,
    lambda part: st.lists(part, max_size=2) | st.dictionaries(st.text("xyz"), part),
    max_leaves=8,
)
_objects = st.dictionaries(st.sampled_from("abcde"), _trees.filter(lambda part: part is not None))


@given(_objects, _objects)
def test_a_difference_put_over_the_preset_is_what_was_typed(base: Any, wanted: Any) -> None:
    """C-21, and true is not 1."""
    found = difference(base, wanted)

    assert body_text(merged(base, found if found is not None else {})) == body_text(
        {key: wanted[key] for key in merged(base, found or {})}
    )
    assert set(merged(base, found or {})) == set(wanted)
    assert (found is None) == (body_text(_sorted(base)) == body_text(_sorted(wanted)))


def _sorted(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _sorted(tree[key]) for key in sorted(tree)}
    return [_sorted(part) for part in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize(
    "preset_id", ["aha.update_user_details", "betterworks.create_user", "monday.get_user_details"]
)
def test_what_a_form_stores_makes_the_call_that_it_showed(preset_id: str) -> None:
    """The form and the call merge alike, for bodies and for GraphQL's variables."""
    _vendor, preset = get_preset(preset_id)
    shown = request_of(preset)
    wanted = {**(shown["body"] or {}), "extra": "{{ title }}"}
    dropped = next(iter(shown["body"]), None) if shown["body"] else None
    if dropped:
        wanted.pop(dropped)

    changed = with_request(preset, {"body": difference(shown["body"], wanted)})

    assert request_of(changed)["body"] == wanted


@given(st.dictionaries(st.text("ab", min_size=1), _plain.filter(lambda part: part is not None)))
def test_rows_that_were_not_touched_keep_their_types(values: Any) -> None:
    assert from_rows(as_rows(values), values) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"user": {{ email }}}', 'A placeholder stands in quotes: "{{ email }}".'),
        ('{"a": 1,}', "line 1"),
        ("{'a': 1}", "double quotes"),
        ('{"a": NaN}', "cannot"),
        ("[" * 100_000, "cannot"),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(BodyInvalid) as refused:
        read_body(text)
    assert said in refused.value.message


def block(key: str, kind: str = "api", **exits: str) -> BlockPart:
    return BlockPart(key=key, kind=kind, exits=exits)


def test_a_new_block_goes_between_an_exit_and_where_it_led() -> None:
    """C-12."""
    before = Definition(blocks=(block("one", success="two", failure="end"), block("two")))

    after = connected(before, block("new", success="end", failure="end"), "one:success")

    assert after.find("one") == block("one", success="new", failure="end")
    assert after.find("new") == block("new", success="two", failure="end")


def test_a_new_block_behind_begin_is_the_first() -> None:
    before = Definition(blocks=(block("one", success="end"),))

    after = connected(before, block("new", success="end"), "begin")

    assert after.first == "new"
    assert after.blocks[-1].exits == {"success": "one"}


def test_a_new_block_is_offered_behind_the_last_exit_that_ends() -> None:
    chain = Definition(blocks=(block("one", success="two"), block("two", success="end")))

    assert last_place(Definition()) == "begin"
    assert last_place(chain) == "two:success"


@given(st.text(max_size=80))
def test_a_suggested_key_is_always_one_that_can_be_kept(words: str) -> None:
    taken = Definition(blocks=(block("api"), block("api_2"), block("end_block")))

    key = new_key(words, taken)

    assert key.isidentifier()
    assert key.isascii()
    assert len(key) <= 60
    assert taken.find(key) is None
    assert key not in {"end", "begin"}
