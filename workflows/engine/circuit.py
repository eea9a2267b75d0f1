"""The circuit: many failures in a row, or a mistake that a person has to mend, pause a workflow."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.mails import queue_mail
from integrations.models import Integration, Notification
from workflows.definition import END, BlockPart
from workflows.engine.pausing import take_back_calls
from workflows.kinds import BlockKind, Outcome, Then
from workflows.links import link_to
from workflows.models import Workflow

IN_A_ROW = 20
# The record lacks a value or is protected, so nobody was called; or the account is there already.
_OF_THE_RECORD = frozenset({"not_sent", "protected", "exists"})
# The vendor does not know it: an answer, where the block has a way for those.
_NOT_KNOWN = frozenset({"not_found"})


def note_outcomes(
    workflow: Workflow,
    kind: BlockKind | None,
    outcomes: Sequence[Outcome],
    *,
    block: BlockPart | None = None,
) -> None:
    """Count a batch towards the circuit, and pause where it breaks. In the engine's transaction.

    Only calls to vendors count: what fails for one record is no sign of a broken workflow, and
    neither goes on with a row of failures nor ends it. That a vendor does not know an account is
    no failure where the exit Failure leads to another block. No query for blocks without calls.
    """
    stopped = next((one for one in outcomes if one.then == Then.STOPS), None)
    if stopped is not None:
        pause(workflow, stopped.note)
        return
    calls = kind is not None and kind.calls
    passed = _OF_THE_RECORD | _NOT_KNOWN if _has_way_of_failure(block) else _OF_THE_RECORD
    ended = [one for one in outcomes if _counts(one, passed)] if calls else []
    if not ended:
        return
    streak = _trailing_failures(ended)
    row = Workflow.objects.filter(pk=workflow.pk)
    if streak < len(ended):
        # Another worker may have counted since this one read the row.
        row.exclude(failures_in_a_row=streak).update(failures_in_a_row=streak)
    else:
        row.update(failures_in_a_row=F("failures_in_a_row") + streak)
    if streak and row.filter(failures_in_a_row__gte=IN_A_ROW).exists():
        pause(
            workflow,
            f"{IN_A_ROW} calls in a row failed. The last one said: {ended[-1].note}",
        )


def _has_way_of_failure(block: BlockPart | None) -> bool:
    return block is not None and block.exits.get("failure", END) not in ("", END)


def _counts(outcome: Outcome, passed: frozenset[str]) -> bool:
    return outcome.then == Then.GOES_ON and outcome.code not in passed


def _trailing_failures(outcomes: Sequence[Outcome]) -> int:
    streak = 0
    for outcome in reversed(outcomes):
        if outcome.exit != "failure":
            break
        streak += 1
    return streak


@transaction.atomic
def pause(workflow: Workflow, because: str) -> bool:
    """Pause an active workflow and tell it once; False when it was not active. Up to eight queries.

    Items stay where they are, and go on when it is resumed. Each pause is told.
    """
    now = timezone.now()
    rows = Workflow.objects.filter(pk=workflow.pk, state=Workflow.State.ACTIVE).update(
        state=Workflow.State.PAUSED, paused_because=because[:500]
    )
    if not rows:
        return False
    take_back_calls(workflow, now)
    queue_mail(
        Notification.Kind.WORKFLOW,
        f"workflow_paused:{workflow.pk}:{now.isoformat()}",
        f'The workflow "{workflow.name}" was paused',
        [
            f'The workflow "{workflow.name}" paused itself. {because}',
            (
                "It starts nothing and goes on with nothing. What waits stays where it is, and "
                "goes on when an IT admin has mended it and resumes the workflow."
            ),
            f"The workflow: {link_to('workflow_change', workflow.pk)}",
        ],
        notify=addresses_of(workflow),
    )
    return True


def addresses_of(workflow: Workflow) -> list[str]:
    """Who is told: those who are told of the integrations whose credentials it uses. One query."""
    used = Integration.objects.filter(credentials__blocks__version=workflow.active_version_id)
    return [address for named in used.values_list("notify", flat=True) for address in named]
