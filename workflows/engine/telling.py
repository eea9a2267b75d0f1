"""Mails of the engine: those that blocks send, and that a run waits for approval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integrations.mails import mail_row, recipients_of
from integrations.models import Notification
from workflows.engine.circuit import addresses_of
from workflows.engine.claims import Batch, Row
from workflows.kinds import Outcome, Then
from workflows.links import link_to
from workflows.models import RunItem

_MOST_NAMES = 50


def queue_mails(batch: Batch, went: Sequence[tuple[Row, Outcome]]) -> None:
    """Put the mails of a batch into the outbox, each once. One statement, or none."""
    mails, shared = [], set()
    for row, what in went:
        for number, mail in enumerate(what.mails):
            if mail in shared:
                continue
            if mail.together:
                shared.add(mail)
            key = f"workflow:{row['pk']}:{batch.key}:{row['retry']}:{number}"
            kind = Notification.Kind.WORKFLOW
            mails.append(mail_row(kind, key, mail.subject, mail.body, mail.recipients))
    if mails:
        Notification.objects.bulk_create(mails, ignore_conflicts=True)


def tell_held(batch: Batch, went: Sequence[tuple[Row, Outcome]], now: datetime) -> None:
    """Tell that a person has to look at what a run holds, unless it held something there already.

    No query where nothing is held; one more for each run that is told of.
    """
    held = [(row, what) for row, what in went if what.then == Then.IS_HELD]
    if not held:
        return
    notify = addresses_of(batch.workflow)
    told = _held_before(batch, [row["pk"] for row, _what in held])
    for run_id in sorted({row["run_id"] for row, _what in held} - told):
        mine = [(row, what) for row, what in held if row["run_id"] == run_id]
        names = "\n".join(f"- {row['label']}" for row, _what in mine[:_MOST_NAMES])
        more = f"\nand {len(mine) - _MOST_NAMES} more" if len(mine) > _MOST_NAMES else ""
        mail = mail_row(
            Notification.Kind.WORKFLOW,
            f"workflow_held:{run_id}:{batch.key}:{now.isoformat()}",
            f'[Rolecall] The workflow "{batch.workflow.name}" waits for approval',
            "\n\n".join(
                [
                    f"{len(mine)} records are held. {mine[0][1].note}",
                    f"{names}{more}",
                    f"Approve or reject them: {link_to('workflowrun_change', run_id)}",
                ]
            ),
            recipients_of(notify),
        )
        Notification.objects.bulk_create([mail], ignore_conflicts=True)


def _held_before(batch: Batch, ids: Sequence[int]) -> set[int]:
    """Runs of which others are held at this block. One query."""
    others = RunItem.objects.filter(
        run__in={row["run_id"] for row in batch.rows}, state=RunItem.State.HELD, block=batch.key
    ).exclude(pk__among=list(ids))
    return set(others.values_list("run_id", flat=True))
