"""Asking a vendor what it knows of accounts: by its listing, or one by one; never by guess (C-25).

Who is not in a listing is looked up (M-11). 401, 403, 429, 5xx, HTML and listings that broke off
say of nobody that they are not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from integrations.client import VendorClient
from integrations.errors import AskPerson, BrokenAnswer, VendorError
from integrations.manifest_load import Load, Single
from integrations.mapping.mapper import Mapper
from integrations.mapping.sources import Constants
from integrations.models import LinkState, SyncRun
from integrations.presets.read import RoleReading
from integrations.sync.prove import Missing, Proof, Prover, Verdict

_UNKNOWN_PAGE = 30  # records, where the vendor's folder does not say how many a page holds
# Look-ups, ten for each sending thread, after which what was learned is kept whatever comes next.
_CHUNK = 320
_SHORT = 0.8  # of the last complete listing (M-15)

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Told:
    """What the vendor says of one account at a time: its reading, or why there is none.

    `is_proof`: it was not found, and that is enough to remove it (M-11). `status` is that of the
    answer, where it was asked for by its id and the answer says so by that.
    """

    at: datetime
    reading: RoleReading | None = None
    problem: VendorError | None = None
    is_proof: bool = False
    status: int | None = None


@dataclass
class Listed:
    """What a listing gave. `whole`: it ended unbroken, so who is not in it may be gone.

    `problem` is what broke it off. `short` says why nobody may be removed because of it.
    """

    found: dict[str, Told] = field(default_factory=dict)
    whole: bool = False
    problem: VendorError | None = None
    short: str = ""
    # The id of an active record of the listing, for look-ups to be checked by.
    control: str | None = None


@dataclass
class Before:
    """The last complete listing of the account, as its load noted it."""

    records: int = 0
    role_fields: frozenset[str] = frozenset()


class RoleReader:
    """Reads roles at one account of a vendor; for one batch, in one thread."""

    def __init__(self, client: VendorClient, load: Load, *, tenant: str, clock: Clock) -> None:
        self._client = client
        self._load = load
        self._tenant = tenant
        self._clock = clock
        constants = Constants(credentials="", source="", inputs={})
        self._mapper = Mapper(load, (), constants=constants, role_names=frozenset())

    def list_them(self, wanted: Sequence[str], *, today: date) -> Listed:
        """Read the listing once and keep what is asked for. One query, one call for each page."""
        listed, asked = Listed(), frozenset(wanted)
        try:
            for page in self._client.pages(self._load, today=today):
                self._keep(page.records, asked, listed)
        except VendorError as problem:
            listed.problem = problem
            return listed
        listing = self._client.listing
        listed.whole = listing.complete
        before = self._before()
        self._judge(listed, before, records=listing.records)
        return listed

    def _keep(self, records: Sequence[Any], asked: frozenset[str], listed: Listed) -> None:
        now = self._clock()
        for record in records:
            mapped = self._mapper.map(record)
            if mapped is None:
                continue
            if mapped.active and (listed.control is None or listed.control in asked):
                listed.control = mapped.external_id
            if mapped.external_id in asked:
                listed.found[mapped.external_id] = Told(now, _reading(mapped.payload))

    def _judge(self, listed: Listed, before: Before, *, records: int) -> None:
        """Believe neither a listing without any role (M-12) nor one that is too short (M-15)."""
        if listed.whole and before.role_fields - self._mapper.role_fields_seen:
            listed.found = {
                key: Told(one.at, RoleReading(found=True, status=_status_of(one)))
                for key, one in listed.found.items()
            }
        if records < _SHORT * before.records:
            listed.short = (
                f"The listing holds {records} records, the last complete one held "
                f"{before.records}. Under 80 % of it nobody is removed without approval."
            )
        elif not records:
            listed.short = "The listing is empty, so nobody is removed without approval."

    def _before(self) -> Before:
        runs = SyncRun.objects.filter(
            integration__vendor=self._client.vendor.key,
            integration__tenant=self._tenant,
            integration__load=self._load.key,
            listing__complete=True,
        )
        listing = runs.order_by("-pk").values_list("listing", flat=True).first() or {}
        fields = frozenset(listing.get("role_fields") or ())
        return Before(int(listing.get("records") or 0), fields)

    def look_up(
        self, wanted: Sequence[str], *, control: str | None, today: date
    ) -> dict[str, Told]:
        """Ask for accounts by id, each with all that belongs to it. Three queries at most.

        One call each, or one for each batch where the vendor takes several ids. What was learned
        before the vendor failed is kept; the others have the problem.
        """
        told: dict[str, Told] = {}
        found_by = control or self._control(wanted) or wanted[0]
        prover = Prover(self._client, self._load, control=found_by)
        for chunk in _chunks(wanted, self._size()):
            at = self._clock()
            try:
                proofs = self._proofs(prover, chunk, today)
            except VendorError as problem:
                rest = (key for key in wanted if key not in told)
                return told | {key: Told(at, problem=problem) for key in rest}
            told |= {key: self._meaning(key, proofs.get(key), at) for key in chunk}
        return told

    def _size(self) -> int:
        lookup = self._load.lookup
        return lookup.batch - 1 if lookup is not None and lookup.batch else _CHUNK

    def _proofs(self, prover: Prover, chunk: Sequence[str], today: date) -> dict[str, Proof]:
        """What the look-up shows, and of those that are gone what the vendor's deletions say."""
        proofs = prover.read(chunk) if self._load.lookup is not None else {}
        gone = [key for key in chunk if key not in proofs or proofs[key].verdict == Verdict.GONE]
        if gone and (self._load.deletions is not None or self._load.lookup is None):
            proofs |= prover.prove(self._missing(gone), today=today)
        return proofs

    def _missing(self, external_ids: Sequence[str]) -> dict[str, Missing]:
        states = self._seen().filter(link__external_id__among=list(external_ids))
        columns = ("link__external_id", "missing_on", "seen_at")
        known = {key: Missing(since, seen) for key, since, seen in states.values_list(*columns)}
        never = Missing(None, self._clock())
        return {key: known.get(key, never) for key in external_ids}

    def _seen(self) -> Any:
        return LinkState.objects.filter(
            link__vendor=self._client.vendor.key, link__tenant=self._tenant
        )

    def _control(self, wanted: Sequence[str]) -> str | None:
        """The account that was seen last and is not asked about."""
        others = self._seen().filter(missing_on=None).order_by("-seen_at", "-pk")
        ids = others.values_list("link__external_id", flat=True)[: len(wanted) + 1]
        return next((one for one in ids if one not in set(wanted)), None)

    def _meaning(self, external_id: str, proof: Proof | None, at: datetime) -> Told:
        label = self._client.vendor.label
        verdict = proof.verdict if proof is not None else Verdict.UNKNOWN
        if proof is not None and verdict == Verdict.THERE:
            mapped = self._mapper.map(proof.record)
            return Told(at, _reading(mapped.payload if mapped is not None else "{}"))
        if verdict in {Verdict.GONE, Verdict.TOO_NEW}:
            return Told(
                at,
                RoleReading(found=False),
                is_proof=verdict == Verdict.GONE,
                status=proof.status if proof is not None else None,
            )
        if verdict == Verdict.HIDDEN:
            problem: VendorError = AskPerson(
                "no_longer_visible",
                f"{label} does not find the account {external_id}, but does not name it among "
                "those that were deleted. Check what the key may see.",
            )
            return Told(at, problem=problem)
        why = proof.problem if proof is not None else f"{label} did not say anything of it."
        return Told(at, problem=BrokenAnswer("not_proven", why))


def listing_is_cheaper(load: Load, *, wanted: int, accounts: int) -> bool:
    """Whether the listing takes fewer calls than asking for so many of `accounts` by their id."""
    lookup = load.lookup
    if lookup is None:
        return True
    singly = math.ceil(wanted / (lookup.batch - 1)) if lookup.batch else 0
    if not lookup.batch:
        singly = 1 + wanted * (1 + len(lookup.more))
    paging = load.paging
    page = getattr(paging, "page_size", None) or _UNKNOWN_PAGE
    pages = 1 if isinstance(paging, Single) else math.ceil(max(accounts, 1) / page)
    return pages < singly


def _reading(payload: str) -> RoleReading:
    """Roles and status as the mapper of the load gives them (M-29)."""
    told: Mapping[str, Any] = json.loads(payload)
    rows = told.get("r")
    return RoleReading(
        found=True,
        rows=None if rows is None else tuple(tuple(row[:3]) for row in rows),
        status=told.get("s"),
    )


def _status_of(told: Told) -> str | None:
    return told.reading.status if told.reading is not None else None


def _chunks(wanted: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(wanted), size):
        yield wanted[start : start + size]
