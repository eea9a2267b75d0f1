"""Fetch a listing and stage its mapped records, a page in one transaction (M-8)."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from integrations.client import VendorClient
from integrations.errors import VendorError
from integrations.listing import Page
from integrations.manifest_load import Single
from integrations.mapping.mapper import Mapped, Mapper
from integrations.models import LinkState, RecordLink, StagedRecord, SyncRun
from integrations.paths import parse_path
from integrations.sync.park import asked_pause
from integrations.sync.work import BATCH, Work
from people.bulk import analyse, commit_lazily, insert_rows

_COLUMNS = ("run_id", *Mapped._fields)
_ANALYSE_FROM = 1_000


def fetch_and_stage(work: Work, client: VendorClient, mapper: Mapper) -> None:
    """Read the whole listing into the stage; sets `work.complete` and `counts["seen"]`.

    A fetch that was killed starts its listing again, so what it staged goes first. A listing of
    several pages that breaks off is not complete; what came is used. One statement and one progress
    row per thousand records or so. Raises VendorError when nothing could be read, LeaseLost.
    """
    with transaction.atomic():
        work.show("fetch", 0, None)
        StagedRecord.objects.filter(run=work.run.pk).delete()
    seen = 0
    total = None
    without_id = 0
    buffer: list[Mapped] = []
    ending = _Ending(in_pages=not isinstance(work.load.paging, Single))
    for page in ending.watch(_pages(work, client)):
        total = page.total or total
        for record in page.records:
            mapped = mapper.map(record)
            if mapped is None:
                without_id += 1
            else:
                buffer.append(mapped)
        if len(buffer) >= BATCH // 2:
            seen += _stage(work, buffer, seen, total)
            buffer = []
    if buffer:
        seen += _stage(work, buffer, seen, total)
    work.counts["seen"] = seen + without_id
    _judge_roles(work, mapper)
    _judge_listing(work, client, ending, seen=seen, without_id=without_id)
    if seen >= _ANALYSE_FROM:
        analyse(StagedRecord, ["run_id", "external_id", "hash"])
        analyse(RecordLink, ["vendor", "tenant", "external_id"])
        analyse(LinkState, ["link_id", "integration_id", "hash"])


def _judge_roles(work: Work, mapper: Mapper) -> None:
    """Where an absent field means "none": believe it only if some record has the field (M-12).

    Unless the last complete listing had it nowhere either. One query for loads with such fields.
    """
    if not mapper.optional_role_fields:
        return
    before = (
        SyncRun.objects.filter(integration=work.integration, listing__complete=True)
        .exclude(pk=work.run.pk)
        .order_by("-pk")
        .values_list("listing", flat=True)
        .first()
    )
    work.run.listing["role_fields"] = sorted(mapper.role_fields_seen)
    missing = set((before or {}).get("role_fields", ())) - mapper.role_fields_seen
    if missing:
        work.roles_are_known = False
        work.warnings.append(
            f"{work.vendor.label} left {', '.join(sorted(missing))} out of every record, which was "
            "there last time. Roles are left as they are; check what the key may see."
        )


def _pages(work: Work, client: VendorClient) -> Iterator[Page]:
    today = timezone.localdate(work.now)
    return client.pages(work.load, today=today, extra_fields=_extra_fields(work))


class _Ending:
    """Lets a failed page end a listing of which records have come, and keeps why (F-23).

    Not where the vendor asks for a long pause: the run is parked, and lists again after it.

    One answer that holds everything is right or wrong as a whole: its error goes on.
    """

    def __init__(self, *, in_pages: bool) -> None:
        self.error: VendorError | None = None
        self._in_pages = in_pages

    def watch(self, pages: Iterator[Page]) -> Iterator[Page]:
        came = 0
        try:
            for page in pages:
                came += len(page.records)
                yield page
        except VendorError as error:
            if not (came and self._in_pages) or asked_pause(error) is not None:
                raise
            self.error = error


def _extra_fields(work: Work) -> list[str]:
    """Fields of the vendor that mappings name by path, for requests that list their fields."""
    sources = work.integration.mappings.values_list("source", flat=True)
    return sorted(
        {
            str(parse_path(source)[0])
            for source in sources
            if source and source not in work.load.fields
        }
    )


def _stage(work: Work, records: list[Mapped], seen: int, total: int | None) -> int:
    with transaction.atomic():
        commit_lazily()
        work.show("fetch", seen + len(records), total)
        run = work.run.pk
        insert_rows(StagedRecord, _COLUMNS, ((run, *record) for record in records))
    return len(records)


def _judge_listing(
    work: Work, client: VendorClient, ending: _Ending, *, seen: int, without_id: int
) -> None:
    """A listing is complete when its pages agree and it lists somebody (M-11 a, F-24)."""
    listing = client.listing
    problems = list(listing.problems)
    if ending.error is not None:
        problems.append(f"It broke off after {seen + without_id} records: {ending.error.message}")
    if without_id:
        problems.append(
            f"{without_id} records came without a usable id and cannot be told apart; "
            "they were left out."
        )
    elif not seen:
        problems.append(
            f"{work.vendor.label} listed nobody. That is never taken as a fact: check that the "
            "key may see the users, and the sub-domain."
        )
    if listing.undeclared:
        work.warnings.append(
            f"{work.vendor.label} left out {', '.join(listing.undeclared)}: the key's user may not "
            "see these fields. What they are mapped to is left as it is."
        )
    work.complete = listing.complete and not problems
    work.warnings.extend(problems)
    work.run.listing |= {
        "complete": work.complete,
        "problems": problems,
        "pages": listing.pages,
        "records": seen,
        "requests": listing.requests,
    }
    work.lease.write(listing=work.run.listing)
