"""A licence counts as gone only by a list of licences, never by "not found" (M-11)."""

from __future__ import annotations

from django.utils import timezone

from integrations.models import LinkState, Operation, RecordLink
from integrations.presets.calling import call_now
from tests.makers import make_person

from .desk import Desk

State = Operation.State


def test_not_found_everywhere_does_not_prove_that_a_licence_is_gone(goto: Desk):
    """F-20: where the address is another one, the seat would stay taken and nobody be told."""
    user, other = goto.account(make_person()), goto.account(make_person())
    link = RecordLink.objects.create(
        vendor="goto", tenant=goto.tenant, external_id=other.external_id, saas_user=other
    )
    LinkState.objects.create(link=link, integration=goto.integration, seen_at=timezone.now())
    goto.sandbox.faults.add("status", vendor="goto", path=r"licenses", status=404)

    row = call_now(
        "goto.unassign_license_by_email",
        goto.credentials,
        user.email,
        {"license_key": "7902142105473202120"},
        key="licence",
        started_by="ann",
    ).operation

    assert row is not None
    assert row.state == State.REFUSED, row.note
