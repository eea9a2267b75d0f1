"""What this integration remembers of a record: the hash it wrote, and when it was seen (M-1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from integrations.models import LinkState, StagedRecord
from integrations.sync.links import links_by_external_id, own_links
from integrations.sync.work import Work, batches
from people.models import Event
from saas.models import SaaSUser

# Ids are taken in another order than rows are committed, and clocks differ a little.
_EVENTS_MARGIN = 1_000
_TIME_MARGIN = timedelta(minutes=5)
_NOTE_ALL = """
    INSERT INTO integrations_linkstate (link_id, integration_id, hash, revision, seen_at)
    SELECT l.id, %(integration)s, s.hash, %(revision)s, %(now)s
    FROM integrations_stagedrecord s
    JOIN integrations_recordlink l
      ON l.vendor = %(vendor)s AND l.tenant = %(tenant)s AND l.external_id = s.external_id
    WHERE s.run_id = %(run)s
    ON CONFLICT (integration_id, link_id) DO UPDATE
    SET hash = excluded.hash, revision = excluded.revision, seen_at = excluded.seen_at,
        missing_on = NULL
"""


def remember(work: Work) -> None:
    """Note for every listed record what was written and when it was seen (M-1).

    One upsert over the whole stage, then one statement per thousands of records that are to be
    looked at again. Raises LeaseLost.
    """
    now: Any = work.now
    if connection.vendor == "sqlite":
        now = str(work.now.replace(tzinfo=None))
    parameters = {
        "integration": work.integration.pk,
        "revision": work.run.revision,
        "now": now,
        "vendor": work.vendor.key,
        "tenant": work.tenant,
        "run": work.run.pk,
    }
    with transaction.atomic():
        work.show("remember", 0, None)
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_ALL, parameters)
        _note_found(work)
        _forget(work, work.look_again)
        _forget_written_by_hand(work)


def _note_found(work: Work) -> None:
    """Who is listed is found again, whatever a role look-up said before (GT-36). One query."""
    application = work.integration.application_id
    if not work.writes_users or application is None:
        return
    listed = StagedRecord.objects.filter(run=work.run.pk, external_id=OuterRef("external_id"))
    lost = SaaSUser.objects.filter(Exists(listed), application=application)
    lost.filter(not_found_at__isnull=False).update(not_found_at=None)


def _forget(work: Work, external_ids: Collection[str]) -> None:
    """Let the next sync look at these records again. Two statements per batch."""
    for batch in batches(list(external_ids)):
        found = links_by_external_id(work, batch)
        # By link, not joined: a join of rows that have just been inserted may take minutes.
        LinkState.objects.filter(
            integration=work.integration, link__among=[link.id for link in found.values()]
        ).update(hash="")


def _forget_written_by_hand(work: Work) -> None:
    """Let the next sync look at whom somebody wrote by other means during this run (M-7).

    That writer has told the link states, but the run has noted its own hash over it. One query,
    three where there was somebody.
    """
    written = Event.objects.filter(
        pk__gt=work.last_event - _EVENTS_MARGIN, at__gte=work.now - _TIME_MARGIN, object="person"
    ).exclude(source=Event.Source.SYNC)
    people = list(written.order_by().values_list("object_id", flat=True).distinct())
    if people:
        links = own_links(work).filter(person__among=people)
        LinkState.objects.filter(
            integration=work.integration, link__among=list(links.values_list("pk", flat=True))
        ).update(hash="")
