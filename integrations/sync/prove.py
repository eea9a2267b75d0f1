"""Looking records up by id: proof that one is gone (M-11), and what it is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from integrations.answers import Answer
from integrations.client import VendorClient
from integrations.errors import AskPerson, VendorError
from integrations.manifest_load import Load
from integrations.paths import MISSING, compile_path, first_of
from integrations.threads import on_threads

LASTS = timedelta(minutes=15)
_MARGIN = timedelta(days=1)  # clocks differ, and so may the vendor's idea of "since"
_MOST_UNKNOWN = 3  # of one run: more than a few broken records are a broken vendor


class Verdict(StrEnum):
    """What asking for one record showed."""

    GONE = "gone"
    # It can be looked up though the listing lacks it: the listing contradicts itself.
    THERE = "there"
    # Not found, but the vendor's list of deletions does not name it either.
    HIDDEN = "hidden"
    # There is no look-up, and it has been missing since today only.
    TOO_NEW = "too_new"
    # The look-up of this record ends badly, though others can be looked up.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Proof:
    """A verdict with the record that the look-up gave, if it gave one, or why it gave none.

    `status` is that of an answer that says so by its status.
    """

    verdict: Verdict
    record: Any = None
    problem: str = ""
    status: int | None = None


@dataclass(frozen=True)
class Missing:
    """An absent record: since which day the listings lack it, when it was last seen."""

    since: date | None
    seen_at: datetime


class Prover:
    """Asks a vendor for records by id. Every bad ending is a VendorError, never a proof."""

    def __init__(self, client: VendorClient, load: Load, *, control: str | None) -> None:
        """`control` is the id of a record that the listing holds."""
        self._client = client
        self._load = load
        self._control = control
        self._deleted: set[str] = set()
        self._deleted_since: datetime | None = None
        self._unknown = 0

    def prove(self, absent: Mapping[str, Missing], *, today: date) -> dict[str, Proof]:
        """Judge absent records by their ids. One call each, one more for the control record.

        Where the vendor takes several ids, one call for each batch, with the control record in it.
        Raises VendorError when the control record is not found by the same call, before or after
        a call that failed, and when more than a few calls fail: then nothing is proven.
        """
        if self._load.lookup is None:
            return {key: Proof(_by_days(one, today)) for key, one in absent.items()}
        proofs = self.look_up(absent)
        return {key: self._with_deletions(key, proof, absent) for key, proof in proofs.items()}

    def look_up(self, external_ids: Iterable[str]) -> dict[str, Proof]:
        """Ask for records as they are now; nothing where the vendor has no look-up. As `prove`."""
        lookup = self._load.lookup
        if lookup is None:
            return {}
        if not lookup.batch:
            self._check_control()
            return self._look_up_each(list(dict.fromkeys(external_ids)))
        ids, size = list(dict.fromkeys(external_ids)), lookup.batch - 1
        proofs: dict[str, Proof] = {}
        for start in range(0, len(ids), size):
            proofs |= self._try_batch(ids[start : start + size])
        return proofs

    def read(self, external_ids: Iterable[str]) -> dict[str, Proof]:
        """As `look_up`, with all that belongs to a record: one call for each `more` of each."""
        proofs = self.look_up(external_ids)
        there = [key for key, proof in proofs.items() if proof.verdict == Verdict.THERE]
        if there and self._load.lookup is not None and self._load.lookup.more:
            whole = on_threads(
                lambda key: self._with_more(key, proofs[key].record),
                there,
                most=self._client.useful_threads,
            )
            for place, record in whole:
                proofs[there[place]] = replace(proofs[there[place]], record=record)
        return proofs

    def _check_control(self) -> None:
        """A call that finds nothing at all proves nothing."""
        control = self._control_id()
        lookup = self._load.lookup
        if lookup is not None and lookup.batch:
            self._look_up_batch([])
        elif self._look_up(control).verdict != Verdict.THERE:
            raise self._control_lost(control)

    def _control_id(self) -> str:
        if self._control is None:
            raise AskPerson(
                "no_control",
                f"{self._client.vendor.label} lists nobody by whom its look-up could be checked, "
                "so nothing is taken as gone.",
            )
        return self._control

    def _control_lost(self, control: str) -> AskPerson:
        return AskPerson(
            "control_not_found",
            f"{self._client.vendor.label} does not find the record {control} either, which it "
            "lists. So its look-up proves nothing; check what the key may see.",
        )

    def _look_up_each(self, external_ids: Sequence[str]) -> dict[str, Proof]:
        """One call each, on threads; one that breaks for its record only saves no other (S-25)."""
        proofs = dict.fromkeys(external_ids, Proof(Verdict.UNKNOWN))
        found = on_threads(self._tried, external_ids, most=self._client.useful_threads)
        with closing(found):  # begins nothing more when too many have failed
            for place, told in found:
                proof = told if isinstance(told, Proof) else self._unknown_after(told)
                proofs[external_ids[place]] = proof
        return proofs

    def _tried(self, external_id: str) -> Proof | VendorError:
        try:
            return self._look_up(external_id)
        except VendorError as problem:
            return problem

    def _unknown_after(self, problem: VendorError) -> Proof:
        """What a failed call shows while the control record is found. Raises VendorError."""
        self._unknown += 1
        if self._unknown > _MOST_UNKNOWN or problem.retry_after is not None:
            raise problem
        self._check_control()
        return Proof(Verdict.UNKNOWN, problem=problem.message)

    def _try_batch(self, external_ids: list[str]) -> dict[str, Proof]:
        """Look records up together; where that fails, in halves, until it is known for whom."""
        try:
            return self._look_up_batch(external_ids)
        except VendorError as problem:
            if problem.retry_after is not None or problem.code == "control_not_found":
                raise
            if len(external_ids) == 1:
                return {external_ids[0]: self._unknown_after(problem)}
            self._check_control()
        half = len(external_ids) // 2
        return self._try_batch(external_ids[:half]) | self._try_batch(external_ids[half:])

    def _look_up_batch(self, external_ids: list[str]) -> dict[str, Proof]:
        """One call for these records and the control record. Raises VendorError."""
        lookup, control = self._load.lookup, self._control_id()
        assert lookup is not None and lookup.records  # noqa: S101, PT018 - the callers know
        asked = list(dict.fromkeys([*external_ids, control]))
        answer = self._client.perform(lookup.request, {"ids": asked})
        records = compile_path(lookup.records)(answer.json)
        read_id = compile_path(lookup.id)
        found = {str(read_id(one)): one for one in records} if isinstance(records, list) else None
        if found is None or not found.keys() <= set(asked):
            raise self._contradiction(
                f"was asked for {len(asked)} records and answered with others or none", answer
            )
        if control not in found:
            raise self._control_lost(control)
        return {
            key: Proof(Verdict.THERE, found[key]) if key in found else Proof(Verdict.GONE)
            for key in external_ids
        }

    def _look_up(self, external_id: str) -> Proof:
        lookup = self._load.lookup
        assert lookup is not None  # noqa: S101 - the callers ask only where there is one
        try:
            answer = self._client.perform(lookup.request, {"id": external_id})
        except VendorError as problem:
            if problem.status in lookup.gone and problem.code == "not_found":
                return Proof(Verdict.GONE, status=problem.status)
            raise
        record = first_of(answer.json, lookup.record) if lookup.record else answer.json
        found = compile_path(lookup.id)(record)
        if found is MISSING or str(found) != external_id:
            raise self._contradiction(
                f"was asked for the record {external_id} and answered with another one or none",
                answer,
            )
        return Proof(Verdict.THERE, record)

    def _with_more(self, external_id: str, record: Any) -> Any:
        """The record with what the vendor says of it in other calls. Raises VendorError."""
        lookup = self._load.lookup
        for more in lookup.more if lookup is not None else ():
            try:
                answer = self._client.perform(more.request, {"id": external_id})
            except VendorError as problem:
                if problem.status in more.none and problem.code == "not_found":
                    continue
                raise
            value = compile_path(more.at)(answer.json)
            if value is MISSING:
                raise self._contradiction(
                    f'was asked for more of the record {external_id} and gave no "{more.at}"',
                    answer,
                )
            record = {**record, more.into: value}
        return record

    def _contradiction(self, what: str, answer: Answer) -> AskPerson:
        return AskPerson(
            "contradiction",
            f"{self._client.vendor.label} {what} (status {answer.status}, {answer.size} bytes).",
            status=answer.status,
        )

    def _with_deletions(self, key: str, proof: Proof, absent: Mapping[str, Missing]) -> Proof:
        """Where the vendor lists its deletions, it has to name the record there too."""
        if proof.verdict != Verdict.GONE or self._load.deletions is None:
            return proof
        since = min(one.seen_at for one in absent.values()) - _MARGIN
        if self._deleted_since is None or since < self._deleted_since:
            self._deleted, self._deleted_since = self._read_deleted(since), since
        return proof if key in self._deleted else Proof(Verdict.HIDDEN)

    def _read_deleted(self, since: datetime) -> set[str]:
        deletions = self._load.deletions
        assert deletions is not None  # noqa: S101 - the caller asked
        answer = self._client.perform(deletions.request, {"since": since.isoformat()})
        named = compile_path(deletions.ids)(answer.json)
        if named is MISSING or not isinstance(named, Mapping | list):
            raise self._contradiction(
                "answered the question for its deletions with something else", answer
            )
        return {str(one) for one in named}


def _by_days(missing: Missing, today: date) -> Verdict:
    """Missing from two complete listings on different days counts as gone."""
    if missing.since is not None and missing.since < today:
        return Verdict.GONE
    return Verdict.TOO_NEW
