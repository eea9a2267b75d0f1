"""Filters: every operator of the interface, over plain records, with mistakes told by place."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import RuleInvalid
from integrations.forms.rules import RulesField, Shown
from integrations.rule_operators import OPERATORS
from integrations.rules import Context, compile_rules

FIELDS = {
    "name": "text",
    "count": "integer",
    "enabled": "boolean",
    "hired": "date",
    "seen": "datetime",
    "tags": "json",
}
NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
CONTEXT = Context(now=NOW)


def holds(rules: Any, record: Mapping[str, Any], context: Context = CONTEXT) -> bool:
    return compile_rules(rules, fields=FIELDS)(record, context)


def row(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, **({} if value is None else {"value": value})}


@pytest.mark.parametrize(
    ("field", "operator", "value", "found", "expected"),
    [
        ("name", "equals", "Active", "active", True),
        ("name", "equals", "Active", " ACTIVE ", True),
        ("name", "equals", "straße", "STRASSE", True),
        ("name", "equals", "Active", "Inactive", False),
        ("name", "equals", "Active", None, False),
        ("name", "not_equals", "Active", "Inactive", True),
        ("name", "not_equals", "Active", None, True),
        ("name", "begins_with", "an", "Ann", True),
        ("name", "begins_with", "an", None, False),
        ("name", "not_begins_with", "an", "Bo", True),
        ("name", "ends_with", "@X.com", "ann@x.com", True),
        ("name", "not_ends_with", "@x.com", "ann@x.com", False),
        ("name", "contains", "NN", "ann", True),
        ("name", "not_contains", "nn", "", True),
        ("name", "in", ["a", "B"], "b", True),
        ("name", "in", ["a", "B"], "c", False),
        ("name", "not_in", ["a"], None, True),
        ("name", "is_empty", None, "", True),
        ("name", "is_empty", None, None, True),
        ("name", "is_empty", None, " ", True),
        ("name", "is_empty", None, "\u00a0", True),
        ("name", "is_empty", None, " x ", False),
        ("name", "is_not_empty", None, "x", True),
        ("name", "is_not_empty", None, " ", False),
        ("name", "is_not_empty", None, "\u00a0", False),
        ("count", "equals", 5, 5, True),
        ("count", "equals", "5", 5, True),
        ("count", "equals", 5, "5", True),
        ("count", "less", 5, 4, True),
        ("count", "less", 5, None, False),
        ("count", "less_or_equal", 5, 5, True),
        ("count", "greater", 5, 6, True),
        ("count", "greater_or_equal", 5, 4, False),
        ("count", "greater", 5, "no number", False),
        ("count", "in", [1, "2"], 2, True),
        ("enabled", "equals", True, True, True),
        ("enabled", "equals", True, False, False),
        ("enabled", "equals", "false", False, True),
        ("enabled", "equals", False, None, False),
        ("enabled", "not_equals", True, None, True),
        ("enabled", "equals", True, "true", True),
        ("enabled", "is_empty", None, False, False),
        ("count", "is_empty", None, 0, False),
        ("hired", "equals", "2026-11-20", date(2026, 11, 20), True),
        ("hired", "equals", "2026-11-20", "2026-11-20", True),
        ("hired", "before", "2026-11-20", "2026-11-19", True),
        ("hired", "after", "2026-11-20", "2026-11-20", False),
        ("hired", "after", "2026-11-20", "garbage", False),
        ("hired", "before", date(2026, 11, 20), date(2026, 1, 1), True),
        ("hired", "within_last_days", 0, "2026-11-20", True),
        ("hired", "within_last_days", 7, "2026-11-13", True),
        ("hired", "within_last_days", 7, "2026-11-12", False),
        ("hired", "within_last_days", 7, "2026-11-21", False),
        ("hired", "within_next_days", 7, "2026-11-27", True),
        ("hired", "within_next_days", 7, "2026-11-28", False),
        ("hired", "older_than_days", 30, "2026-10-20", True),
        ("hired", "older_than_days", 30, "2026-10-21", False),
        ("hired", "older_than_days", 30, None, False),
        ("seen", "before", "2026-11-20", "2026-11-19T23:59:59Z", True),
        ("seen", "after", "2026-11-20T12:00:00Z", NOW, True),
        ("seen", "within_last_days", 1, NOW - timedelta(hours=23), True),
        ("seen", "within_last_days", 1, NOW - timedelta(hours=25), False),
        ("seen", "within_next_days", 1, NOW + timedelta(hours=1), True),
        ("seen", "older_than_days", 90, "2026-01-01T00:00:00.000Z", True),
        ("seen", "is_empty", None, None, True),
        ("tags", "contains", "A", ["a", "b"], True),
        ("tags", "contains", "a", ["ab"], False),
        ("tags", "not_contains", "c", ["a"], True),
        ("tags", "is_empty", None, [], True),
    ],
)
def test_an_operator_holds_where_it_should(
    field: str,
    operator: str,
    value: Any,
    found: Any,
    expected: bool,  # noqa: FBT001 - what is expected
):
    assert holds(row(field, operator, value), {field: found}) is expected


def test_an_absent_field_counts_as_blank():
    assert holds(row("name", "is_empty"), {})
    assert not holds(row("name", "equals", "x"), {})
    assert holds(row("name", "not_equals", "x"), {})


def test_the_day_is_counted_in_the_zone_of_the_context():
    """F-34: 23:30 UTC is the next day in Berlin."""
    berlin = Context(now=NOW, zone=timezone(timedelta(hours=1)))
    rule = row("hired", "within_next_days", 0)

    assert holds(rule, {"hired": "2026-11-21"}, berlin)
    assert not holds(rule, {"hired": "2026-11-21"})


def test_groups_nest():
    rules = {
        "all": [
            row("enabled", "equals", True),
            {"any": [row("name", "equals", "ann"), {"all": [row("count", "greater", 5)]}]},
        ]
    }

    assert holds(rules, {"enabled": True, "name": "Ann"})
    assert holds(rules, {"enabled": True, "count": 6})
    assert not holds(rules, {"enabled": True, "count": 5})
    assert not holds(rules, {"enabled": False, "name": "Ann"})


@pytest.mark.parametrize("rules", [None, {}, [], {"all": []}, {"any": []}])
def test_no_rules_let_everything_pass(rules: Any):
    """C-14: with none, every record matches."""
    assert holds(rules, {"name": "x"})


@pytest.mark.parametrize(
    ("rules", "where", "says"),
    [
        (row("nam", "equals", 1), "field", 'Did you mean "name"?'),
        (row("name", "equal", 1), "operator", 'Did you mean "equals"?'),
        ({"field": "name", "operater": "equals"}, "operater", 'Did you mean "operator"?'),
        ({"all": [row("name", "equals", "x"), row("count", "less", "many")]}, "all[1].value", "no"),
        ({"any": [{"all": [row("hired", "before", "soon")]}]}, "any[0].all[0].value", "no date"),
        (row("enabled", "equals", "maybe"), "value", "neither true nor false"),
        (row("name", "less", "b"), "operator", "does not go with the type text"),
        (row("name", "before", "2026-01-01"), "operator", "does not go with the type text"),
        (row("enabled", "contains", "x"), "operator", "does not go with"),
        (row("name", "equals"), "value", "needs a value"),
        (row("name", "contains", " "), "value", "is blank"),
        (row("name", "not_ends_with", "\t\n"), "value", "is blank"),
        (row("tags", "contains", "\u00a0"), "value", "is blank"),
        (row("name", "in", ["a", " "]), "value", "is blank"),
        ({"any": [row("count", "less", " ")]}, "any[0].value", "no number"),
        (row("name", "is_empty", "x"), "value", "takes no value"),
        (row("name", "equals", ["a"]), "value", "one value"),
        (row("name", "in", []), "value", "empty list"),
        (row("hired", "within_last_days", -1), "value", "number of days"),
        (row("hired", "older_than_days", "x"), "value", "number of days"),
        (row("name", "changed"), "operator", "for workflows"),
        (row("name", "changed_to", "x"), "operator", "for workflows"),
        ({"all": {"field": "name"}}, "all", "list of rules"),
        ({"all": [], "field": "name"}, "field", "beside all"),
        ("name = x", "rules", "a rule has"),
        ([["x"]], "[0][0]", "a rule has"),
        ({}.fromkeys(["nonsense"]), "nonsense", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_place(rules: Any, where: str, says: str):
    with pytest.raises(RuleInvalid) as caught:
        compile_rules(rules, fields=FIELDS)

    places = {problem.where: problem.message for problem in caught.value.problems}
    assert says in places[where]


NEED_A_VALUE = [
    (type_, operator)
    for operator, made in OPERATORS.items()
    if operator not in {"is_empty", "is_not_empty"}
    for type_ in sorted(made.types)
]


@pytest.mark.parametrize(("type_", "operator"), NEED_A_VALUE)
@pytest.mark.parametrize("blanks", [" ", "\t \n", "\u00a0\u2003"])
def test_no_operator_takes_blanks_for_a_value(type_: str, operator: str, blanks: str):
    """Every text contains them, so a rule that narrows would let everything pass."""
    with pytest.raises(RuleInvalid) as caught:
        compile_rules({"all": [row("one", operator, blanks)]}, fields={"one": type_})

    assert [problem.where for problem in caught.value.problems] == ["all[0].value"]


@pytest.mark.parametrize(
    "sent",
    [
        Shown(match="all", rows=[{"field": "name", "operator": "contains", "value": " "}]),
        Shown(text='{"all": [{"any": [{"field": "name", "operator": "contains", "value": " "}]}]}'),
    ],
)
def test_a_form_refuses_blanks_for_a_value_too(sent: Shown):
    with pytest.raises(ValidationError):
        RulesField(labels=dict.fromkeys(FIELDS, ""), types=FIELDS).clean(sent)


def test_all_mistakes_are_told_at_once():
    rules = {"all": [row("nam", "equals", 1), row("name", "equal", 1)]}

    with pytest.raises(RuleInvalid) as caught:
        compile_rules(rules, fields=FIELDS)

    assert [problem.where for problem in caught.value.problems] == [
        "all[0].field",
        "all[1].operator",
    ]


def test_rules_that_are_nested_too_deep_are_refused():
    rules: Any = row("name", "equals", "x")
    for _ in range(2000):
        rules = {"all": [rules]}

    with pytest.raises(RuleInvalid, match="nested"):
        compile_rules(rules, fields=FIELDS)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats()
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dates() | st.datetimes(timezones=st.just(UTC))


@given(
    field=st.sampled_from(sorted(FIELDS)),
    operator=st.sampled_from(sorted(OPERATORS)),
    value=VALUES,
    found=VALUES,
)
def test_whatever_a_record_holds_a_rule_gives_yes_or_no(
    field: str, operator: str, value: Any, found: Any
):
    try:
        rule = compile_rules({"field": field, "operator": operator, "value": value}, fields=FIELDS)
    except RuleInvalid:
        return

    assert rule({field: found}, CONTEXT) in (True, False)


@given(
    field=st.sampled_from(sorted(FIELDS)),
    pair=st.sampled_from([name for name in OPERATORS if name.startswith("not_")]),
    value=st.text(min_size=1, max_size=5) | st.integers(0, 9),
    found=VALUES,
)
def test_a_negative_operator_is_the_opposite_of_its_positive_one(
    field: str, pair: str, value: Any, found: Any
):
    try:
        negative = compile_rules(row(field, pair, value), fields=FIELDS)
        positive = compile_rules(row(field, pair.removeprefix("not_"), value), fields=FIELDS)
    except RuleInvalid:
        return

    assert negative({field: found}, CONTEXT) is not positive({field: found}, CONTEXT)
