"""What is told by mail, and when: error state, failed runs, held removals, keys that expire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db.models import F, Q, Subquery, Value
from django.db.models.functions import Least
from django.utils import timezone

from integrations.errors import is_connection_failure
from integrations.mails import link_to, one_line, queue_mail
from integrations.mending import mend_of
from integrations.models import (
    Credentials,
    Installation,
    Integration,
    Notification,
    PlannedChange,
    SyncRun,
)
from integrations.show import moment

IN_A_ROW = 3
_MOST_COUNTED = 1_000
_MOST_NAMES = 50
_LONGEST_NAME = 320
_CONNECTED = (SyncRun.State.DONE, SyncRun.State.PARTIAL, SyncRun.State.HELD)
# Nothing was asked of the vendor, or nobody knows: no answer to the question of the connection.
_SAY_NOTHING = frozenset(
    {
        "not_ready",
        "credentials_invalid",
        "input_invalid",
        "egress_refused",
        "internal",
        "process_lost",
    }
)


# The end of a run -------------------------------------------------------------------------------


def note_end(run_id: int, *, now: datetime, status: int | None = None) -> None:
    """Count a run that has ended towards the error state, and queue what is to be told (M-32).

    Only syncs of everybody count; `status` is the HTTP status that it failed with. Three runs in a
    row that failed for the connection put the integration into error state, which is told once. A
    run that came through to the vendor ends the row: done, partial, held, and also one that failed
    for another reason, for the vendor did answer it. One that never tried (`not_ready`), or of
    which nobody knows, leaves the row as it is. A failure that is not of the connection is told
    once, until a run comes to its end again.

    Call it in the transaction that ends the run. Two queries, up to six where something is told.
    """
    run = SyncRun.objects.defer("counts", "listing", "warnings").get(pk=run_id)
    integration_id = run.integration_id
    if run.kind != SyncRun.Kind.SYNC or run.person or integration_id is None:
        return
    if run.state in _CONNECTED:
        _end_row(integration_id)
    elif run.state == SyncRun.State.FAILED:
        if is_connection_failure(run.error_code, status):
            _lengthen_row(run, integration_id, now)
            return
        if run.error_code not in _SAY_NOTHING:
            _end_row(integration_id)
        _tell_failed(run, integration_id)


def _end_row(integration_id: int) -> None:
    """It connected. One query, which writes only where there was a row."""
    Integration.objects.filter(pk=integration_id).filter(
        Q(failed_connections__gt=0) | Q(error_since__isnull=False)
    ).update(failed_connections=0, error_since=None)


def _lengthen_row(run: SyncRun, integration_id: int, now: datetime) -> None:
    """One more; the third begins the error state. The row stays locked until the run has ended."""
    row = Integration.objects.filter(pk=integration_id)
    row.update(failed_connections=Least(F("failed_connections") + 1, Value(_MOST_COUNTED)))
    integration = row.only("name", "failed_connections", "error_since", "notify").get()
    if integration.failed_connections < IN_A_ROW or integration.error_since is not None:
        return
    row.update(error_since=now)
    queue_mail(
        Notification.Kind.ERROR_STATE,
        f"error_state:{integration.pk}:{run.pk}",
        f'"{integration.name}" could not connect three times in a row',
        [
            (
                f'Three runs in a row of "{integration.name}" could not connect, so it is in '
                "error state."
            ),
            *_why(run),
            (
                "Its schedule goes on, and the first run that connects ends the error state. You "
                "are told once; further failures until then send no mail."
            ),
        ],
        notify=integration.notify,
        run=run,
    )


def _tell_failed(run: SyncRun, integration_id: int) -> None:
    """Once until a run of this integration comes to its end: that one's id is in the episode."""
    integration = Integration.objects.only("name", "notify").get(pk=integration_id)
    good = (
        SyncRun.objects.filter(
            integration=integration, kind=SyncRun.Kind.SYNC, person="", state__in=_CONNECTED
        )
        .order_by("-id")
        .values_list("pk", flat=True)
        .first()
    )
    queue_mail(
        Notification.Kind.FAILED,
        f"failed:{integration.pk}:{good or 0}",
        f'A run of "{integration.name}" failed',
        [
            f'A run of "{integration.name}" failed. What it had applied before is kept.',
            *_why(run),
            "You are told once; further failures send no mail until a run has come to its end.",
        ],
        notify=integration.notify,
        run=run,
    )


def _why(run: SyncRun) -> list[str]:
    """The words of the run's page: what it said, who mends it, and where that is."""
    mend = mend_of(run)
    return [
        f"Run {run.pk}, {moment(run.finished_at)}: {run.error_message}",
        f"Who can mend it: {mend.text if mend else ''}",
        f"The run: {link_to('syncrun_change', run.pk)}",
        f"The integration: {link_to('integration_change', run.integration_id)}",
    ]


# Held removals ----------------------------------------------------------------------------------


def note_held(
    run: SyncRun, rows: Sequence[PlannedChange], limit: str, *, were_held: bool | None = None
) -> None:
    """Queue the mail that names whose removals this run holds, and why.

    `limit` is a sentence: what the limit was. Told once for as long as the integration has held
    removals: nothing is told where it had some before (`were_held`; asked of the plans of other
    runs when it is None, so call it before those rows are replaced). Call it in the transaction
    that holds the rows; repeating it for a run is safe. Four queries.
    """
    integration = run.integration
    if integration is None or not rows:
        return
    if were_held is None:
        were_held = (
            PlannedChange.objects.filter(
                run__integration=integration, state=PlannedChange.State.HELD
            )
            .exclude(run=run)
            .exists()
        )
    if were_held:
        return
    number = f"{len(rows):,} removal{'' if len(rows) == 1 else 's'}"
    link = f"{link_to('syncrun_plan', run.pk)}?state=held"
    queue_mail(
        Notification.Kind.HELD,
        f"held:{integration.pk}:{run.pk}",
        f'{number} of "{integration.name}" {"waits" if len(rows) == 1 else "wait"} for approval',
        [
            (
                f'{number} of "{integration.name}" {"is" if len(rows) == 1 else "are"} held. '
                "Nobody of them is removed until somebody approves it."
            ),
            limit,
            "\n".join(_names(rows)),
            f"Approve or reject them: {link}",
            "You are told once, until none is held any more.",
        ],
        notify=integration.notify,
        run=run,
    )


def _names(rows: Sequence[PlannedChange]) -> Iterable[str]:
    for row in rows[:_MOST_NAMES]:
        reason = f": {one_line(row.reason)}" if row.reason else ""
        yield f"- {one_line(row.key)[:_LONGEST_NAME]} ({row.get_object_display()}){reason}"
    if len(rows) > _MOST_NAMES:
        yield f"and {len(rows) - _MOST_NAMES:,} more"


# Credentials that expire ------------------------------------------------------------------------


def queue_expiry_notices(now: datetime) -> int:
    """Queue a mail for credentials about to expire, once for each date; gives how many.

    Told are those who are told of the integrations that sign in with them, else the installation's.
    One query when nothing is due, two when all of it was told.
    """
    today = timezone.localdate(now)
    due = {f"expires:{row.pk}:{row.expires_on}": row for row in _expiring(today)}
    if not due:
        return 0
    told = set(Notification.objects.filter(episode__in=due).values_list("episode", flat=True))
    fresh = {episode: row for episode, row in due.items() if episode not in told}
    for episode, row in fresh.items():
        _tell_expiry(episode, row, today)
    return len(fresh)


def _expiring(today: date) -> list[Credentials]:
    """Credentials whose date is near enough, or past. One query."""
    days = Installation.objects.filter(pk=1).values("warn_before_expiry_days")[:1]
    rows = (
        Credentials.objects.filter(expires_on__isnull=False)
        .only("name", "expires_on")
        .annotate(days=Subquery(days))
    )
    usual = Installation._meta.get_field("warn_before_expiry_days").default
    return [
        row
        for row in rows
        if row.expires_on
        and row.expires_on <= today + timedelta(days=usual if row.days is None else row.days)
    ]


def _tell_expiry(episode: str, row: Credentials, today: date) -> None:
    """Tell of one date. Four queries."""
    users = list(Integration.objects.filter(credentials=row).only("name", "notify"))
    over = row.expires_on is not None and row.expires_on < today
    verb = "expired" if over else "expire"
    used_by = ", ".join(f'"{user.name}"' for user in users) or "no integration"
    queue_mail(
        Notification.Kind.EXPIRES,
        episode,
        f'The credentials "{row.name}" {verb} on {moment(row.expires_on)}',
        [
            (
                f'The credentials "{row.name}" {verb} on {moment(row.expires_on)}. '
                f"They are used by {used_by}."
            ),
            (
                "Who can mend it: an IT admin makes a new key at the vendor, enters it, and sets "
                "the new date."
            ),
            f"The credentials: {link_to('credentials_change', row.pk)}",
        ],
        notify=[address for user in users for address in user.notify],
    )
