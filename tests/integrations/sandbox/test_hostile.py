"""Hostile answers: the same each time, many kinds, made from a good answer."""

import json
from contextlib import suppress

import pytest

from integrations.sandbox.hostile import good_body, hostile_answers

PATHS = (
    "aha/users",
    "aha/me",
    "bamboohr/reports/custom",
    "bamboohr/employees/all/tables/employmentStatus",
)


@pytest.mark.parametrize("path", PATHS)
def test_the_same_seed_gives_the_same_answers(path: str) -> None:
    first = list(hostile_answers(path, seed=1, count=70))

    assert first == list(hostile_answers(path, seed=1, count=70))
    assert first != list(hostile_answers(path, seed=2, count=70))


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_differs_from_the_good_one(path: str) -> None:
    good = good_body(path, seed=1)

    answers = list(hostile_answers(path, seed=1, count=140))

    names = [name for name, _, _ in answers]
    assert len(set(names)) == 140
    assert len({name.rpartition("-")[0] for name in names}) > 60
    same = [name for name, kind, body in answers if (kind, body) == ("application/json", good)]
    assert same == []


def test_some_are_no_json_and_some_are_json_with_a_poisoned_inside() -> None:
    readable = 0
    for _, _, body in hostile_answers("aha/users", seed=1, count=130):
        with suppress(ValueError, RecursionError):
            json.loads(body)
            readable += 1

    assert 40 < readable < 110


def test_a_path_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="bamboohr/employees answers 401"):
        list(hostile_answers("bamboohr/employees", seed=1, count=1))
