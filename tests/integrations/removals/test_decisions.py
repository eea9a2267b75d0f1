"""Held removals and what people decide about them, over several syncs (M-14, M-17)."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations import approvals
from integrations.models import PlannedChange
from integrations.sync import execute
from people.models import Event
from saas.models import Application, SaaSUser, SaaSUserRole
from tests.integrations.sync.worlds import World

from .leavers import Company, gone, load, shown, states


def apply_queued(company: Company) -> Any:
    return execute(company.integration.runs.get(state="queued").pk)


def test_the_same_row_keeps_its_place_and_its_rejection_while_it_is_true(world: World) -> None:
    """M-14: it is asked anew after it was once untrue."""
    company = load(world, "aha", 30)
    company.leave(*company.ids[:6])
    first = company.sync()
    rows = shown(first)
    approvals.reject(rows[:1], by="ann")

    second = company.sync()
    kept = set(PlannedChange.objects.filter(run=second).values_list("pk", flat=True))
    company.vendor.add(
        id=company.ids[0], first_name="p000", last_name="X", email="p000@acme.example"
    )
    company.sync()
    between = PlannedChange.objects.get(pk=rows[0][0])
    company.leave(company.ids[0])
    Application.objects.update(removals_percent=0, removals_count=0)
    last = company.sync()

    assert kept == {pk for pk, _hash in rows}
    assert between.state == "gone"
    assert "does not ask for it any more" in between.reason
    assert states(last)[company.ids[0]] == "held"


def test_an_incomplete_listing_leaves_held_rows_alone(world: World) -> None:
    """M-14: nothing is gone or replaced because of it."""
    company = load(world, "aha", 30)
    company.leave(*company.ids[:6])
    held = company.sync()
    company.vendor.fault("empty", path=r"/users\?", form="envelope")

    company.sync()

    held.refresh_from_db()
    assert held.state == "held"
    assert set(states(held).values()) == {"held"}


def test_a_changed_row_is_replaced_and_refused_and_the_others_are_applied(world: World) -> None:
    """M-14: by id and hash."""
    company = load(world, "aha", 30)
    company.leave(*company.ids[:6])
    seen = shown(company.sync())
    one = SaaSUser.objects.get(external_id=company.ids[0])
    SaaSUserRole.objects.filter(saas_user=one).update(role="Owner")
    company.sync()

    decision = approvals.approve(seen, by="ann")
    run = apply_queued(company)

    assert decision.decided == 5
    assert [key for key, _why in decision.refused] == ["p000@acme.example"]
    assert PlannedChange.objects.get(pk=seen[0][0]).state == "replaced"
    assert (run.state, gone()) == ("done", 5)
    assert Event.objects.filter(run_id=run.pk, approved_by="ann", guarded=False).count() == 5


def test_with_second_person_one_word_is_not_enough(world: World, settings: Any) -> None:
    """M-17: nor the same person twice."""
    settings.SECOND_PERSON = True
    company = load(world, "aha", 30)
    company.leave(*company.ids[:6])
    rows = shown(company.sync())

    once = approvals.approve(rows, by="ann")
    twice = approvals.approve(rows, by="ann")
    early = company.integration.runs.filter(state="queued").exists()
    second = approvals.approve(rows, by="bob")
    run = apply_queued(company)

    assert [(one.decided, one.waiting) for one in (once, twice, second)] == [(0, 6), (0, 6), (6, 0)]
    assert not early
    assert gone() == 6
    assert Event.objects.filter(run_id=run.pk, approved_by="ann and bob").count() == 6


def test_removals_ask_for_statements_by_batch_and_not_by_record(world: World) -> None:
    """house.md, section 5: 200 approved removals are four batches."""
    company = load(world, "aha", 400)
    company.leave(*company.ids[:200])
    approvals.approve(shown(company.sync()), by="ann")

    with CaptureQueriesContext(connection) as asked:
        apply_queued(company)

    statements = [one["sql"] for one in asked if "integrations_pace" not in one["sql"]]
    assert gone() == 200
    assert len(statements) <= 120, len(statements)
