"""Whether a definition is whole, told by definitions alone."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.definition import Definition
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.graph import check_graph, check_variables, places
from workflows.walking import in_walking_order

FACTS = Facts(
    object="person",
    application="",
    application_vendor="",
    application_tenant="",
    application_has_users=False,
    fields={"email": "text", "title": "text"},
    writable={},
    credentials={},
    variables=frozenset({"Aha.Subdomain"}),
)


def block(key: str, kind: str = "update", **exits: str) -> dict[str, Any]:
    led = exits or {"success": "end", "failure": "end"}
    return {"key": key, "kind": kind, "settings": {"set": {"title": "x"}}, "exits": led}


def define(*blocks: dict[str, Any], **begin: Any) -> Definition:
    return Definition.from_data({"begin": {"actions": ["manual"], **begin}, "blocks": [*blocks]})


def mistakes(*blocks: dict[str, Any], **begin: Any) -> list[Mistake]:
    return list(check_graph(define(*blocks, **begin), FACTS))


def test_a_whole_definition_has_no_mistakes():
    assert mistakes(block("one", success="two", failure="end"), block("two")) == []


def test_without_blocks_it_would_do_nothing():
    (only,) = mistakes()

    assert only.field == "blocks"


@pytest.mark.parametrize(
    ("blocks", "at", "field", "said"),
    [
        ([block("one", success="end")], "one", "exits.failure", '"failure" leads nowhere'),
        (
            [block("one", success="tow", failure="end"), block("two")],
            "one",
            "exits.success",
            'Did you mean "two"?',
        ),
        (
            [block("one", succes="end", success="end", failure="end")],
            "one",
            "exits.succes",
            'no exit "succes". Did you mean "success"?',
        ),
        ([block("one", "updat")], "one", "kind", 'Did you mean "update"?'),
        ([block("one"), block("lost")], "lost", "key", "No way from Begin leads to this block"),
        ([block("end")], "end", "key", "the end of a workflow"),
        ([block("Ännchen")], "Ännchen", "key", "letters, digits"),
        ([block("x" * 61)], "x" * 61, "key", "1 to 60"),
        ([block("one"), block("one")], "one", "key", "stands at 2 blocks"),
        ([block("one", "saas_user_role")], "one", "kind", "workflow on people"),
    ],
)
def test_each_mistake_names_its_block_and_field_and_says_what_to_do(
    blocks: list[dict[str, Any]], at: str, field: str, said: str
):
    """(C-10, C-12)"""
    found = [one for one in mistakes(*blocks) if one.block == at and one.field == field]

    assert found, mistakes(*blocks)
    assert said in found[0].message


def test_a_circle_is_reported_once_with_its_blocks():
    found = mistakes(
        block("one", success="two", failure="end"),
        block("two", success="three", failure="end"),
        block("three", success="one", failure="end"),
    )

    (circle,) = found
    assert (circle.block, circle.field) == ("three", "exits.success")
    assert "one → two → three → one" in circle.message


def test_a_block_that_leads_to_itself_is_a_circle():
    found = mistakes(block("one", success="one", failure="one"))

    assert {one.field for one in found} == {"exits.success", "exits.failure", "next"}
    assert any("No way leads from Begin to End" in one.message for one in found)


def test_begin_that_leads_to_no_block_is_reported():
    found = mistakes(block("one"), next="two")

    assert ("begin", "next") in {(one.block, one.field) for one in found}


def test_more_than_two_hundred_blocks_are_too_many():
    many = [block(f"b{n}", success=f"b{n + 1}", failure="end") for n in range(200)]

    assert mistakes(*many[:199], block("b199")) == []
    assert any("at most 200" in one.message for one in mistakes(*many, block("b200")))


# What is known where.


def setting(key: str, variable: str, **exits: str) -> dict[str, Any]:
    return {**block(key, **exits), "settings": {"set": {f"variables.{variable}": "x"}}}


def test_a_variable_is_known_behind_the_block_that_sets_it():
    known = places(define(setting("one", "a", success="two", failure="end"), block("two")))

    assert known["one"].set_on_some == frozenset()
    assert known["two"].set_on_all == {"a"}
    assert not known["two"].after_failure


def test_behind_a_failure_exit_failure_is_known_from_then_on():
    known = places(
        define(
            block("one", success="end", failure="two"),
            block("two", success="three", failure="end"),
            block("three"),
        )
    )

    assert known["two"].after_failure
    assert known["three"].after_failure


def test_a_variable_that_is_set_on_some_ways_only_is_warned_of():
    named = {
        **block("three"),
        "settings": {"set": {"title": "{{ variables.a }} {{ variables.Aha.Subdomain }}"}},
    }
    definition = define(
        {"key": "q", "kind": "condition", "exits": {"yes": "one", "no": "three"}},
        setting("one", "a", success="three", failure="end"),
        named,
    )

    (warning,) = check_variables(definition, FACTS)

    assert warning.warning
    assert (warning.block, warning.field, warning.position) == ("three", "settings.set.title", 1)
    assert '"a" is set on some of the ways' in warning.message


def test_a_variable_that_is_set_on_every_way_is_not():
    definition = define(
        {"key": "q", "kind": "condition", "exits": {"yes": "one", "no": "two"}},
        setting("one", "a", success="three", failure="end"),
        setting("two", "a", success="three", failure="end"),
        {**block("three"), "settings": {"set": {"title": "{{ variables.a }}"}}},
    )

    assert list(check_variables(definition, FACTS)) == []


def test_blocks_are_walked_behind_all_that_lead_to_them():
    definition = define(
        block("one", success="four", failure="two"),
        block("three", success="four", failure="end"),
        block("two", success="three", failure="end"),
        block("four"),
    )

    assert [one.key for one in in_walking_order(definition)] == ["one", "two", "three", "four"]


def test_a_long_ladder_of_ways_is_gone_through_quickly():
    ladder = [
        {
            "key": f"b{n}",
            "kind": "condition",
            "exits": {"yes": f"b{n + 1}", "no": f"b{n + 2}" if n < 197 else "end"},
        }
        for n in range(199)
    ]

    known = places(define(*ladder, block("b199")))

    assert len(known) == 200
