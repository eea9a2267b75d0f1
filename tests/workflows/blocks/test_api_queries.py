"""What a batch of an API block costs, whatever its size."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Operation
from people.models import Person
from tests.integrations.presets.desk import Desk
from workflows.kinds import Step

from .calls import step_of
from .steps import plan_step, run_step

OF_ENDS = 5  # statements that write down some ends, at most


def people(desk: Desk, number: int) -> list[Person]:
    return [
        desk.person(
            vendor_id=desk.account(email=f"p{one}@acme.example").external_id,
            email=f"p{one}@acme.example",
        )
        for one in range(number)
    ]


def queries(step: Step, *, plan: bool = False) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        outcomes = plan_step(step) if plan else run_step(step)
    assert {one.exit for one in outcomes} == {"success"}, outcomes[0]
    beside = ("integrations_pace", "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return len([one for one in seen.captured_queries if not any(w in one["sql"] for w in beside)])


@pytest.mark.parametrize("number", [3, 40])
def test_reads_cost_the_same_for_few_and_many(betterworks: Desk, number: int) -> None:
    step = step_of(
        betterworks,
        "get_user_by_id",
        people(betterworks, number),
        positive={"title": "{{ response.title }}"},
    )

    assert queries(step) == 7


@pytest.mark.parametrize("number", [3, 40])
def test_changes_cost_a_few_statements_per_batch(betterworks: Desk, number: int) -> None:
    """(R1)"""
    step = step_of(
        betterworks, "update_user", people(betterworks, number), inputs={"title": "Clerk"}
    )

    began = time.monotonic()
    asked = queries(step)
    # Where the machine is busy, ends are written down once a second.
    assert asked <= 19 + OF_ENDS * int(time.monotonic() - began)
    assert Operation.objects.filter(state="done").count() == number
    assert queries(step) == 5  # everything has ended: nothing is asked again


@pytest.mark.parametrize("number", [3, 40])
def test_a_preview_costs_the_same_for_few_and_many(aha: Desk, number: int) -> None:
    step = step_of(aha, "deactivate_user", people(aha, number))

    assert queries(step, plan=True) == 15
