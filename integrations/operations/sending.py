"""Sending claimed rows on threads, and writing down together how they ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import Error, transaction

from integrations.client import VendorClient
from integrations.errors import LeaseLost
from integrations.manifest_presets import Change, Preset
from integrations.models import Credentials, Operation
from integrations.operations.claims import NEW, OURS, claim_free
from integrations.operations.mapped import map_end
from integrations.operations.rows import Claim, State
from integrations.operations.send import (
    LOOK_AFTER,
    Clock,
    Opened,
    exchange,
    is_prepared_long_ago,
    meant_by_row,
    prove_gone,
    record,
)
from integrations.presets.account import Account
from integrations.presets.outcome import Kind, Outcome
from integrations.presets.spare import takes_accounts, why_each_is_spared
from integrations.sync.lease import keep_beating, now_in_database
from integrations.threads import at_desk, on_threads
from integrations.values import write_json
from people.bulk import update_rows

logger = logging.getLogger(__name__)
_FLUSH_AFTER = 1.0
_COLUMNS = ("state", "finished_at", "status", "code", "note", "answer", "values", "mapped")
_JSON = frozenset({"answer", "values", "mapped"})


def is_plain(row: Operation, preset: Preset, now: datetime) -> bool:
    """Whether it may be sent with others: nobody has begun with it, and nothing comes before."""
    look_up = preset.change.look_up if preset.change else None
    begun = row.state != State.PLANNED or row.fence != NEW or row.waits_for_id is not None
    later = row.due_at is not None and row.due_at > now
    before = bool(look_up and look_up.first)
    return not (begun or later or before or is_prepared_long_ago(row, now))


def would_ask(change: Change) -> bool:
    """Whether a call that nobody knows the end of is left to a person at once."""
    sure = change.look_up or change.idempotency or change.duplicates == "refused"
    return change.repeat == "never" and not sure


@dataclass
class Sending:
    """Calls of one preset, sent through one client."""

    preset: Preset
    client: VendorClient
    clock: Clock
    _held: set[int] = field(default_factory=set)
    _sent_at: dict[int, datetime] = field(default_factory=dict)
    # A beat and an end change the same rows: one after the other, so that neither waits for both.
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def change(self) -> Change:
        """What the preset says about repeating and looking up. Raises ValueError for a read."""
        if self.preset.change is None:
            raise ValueError(f"{self.preset.label} changes nothing; it is not for the journal.")
        return self.preset.change

    def send_all(self, rows: Sequence[Operation]) -> None:
        """Claim, send and end what can be; every other row stays for `carry_on`.

        Six queries in two commits, however many rows, and seven more where access is taken away.
        """
        marked = not would_ask(self.change)
        now = self.clock()
        taken = claim_free(self._without_spared(rows), marked=marked, now=now)
        if not taken:
            return
        if marked:
            self._sent_at |= {row.pk: now for row in taken}
        self._held = {row.pk for row in taken}
        with keep_beating(self._beat, name=f"operations-{taken[0].pk}"):
            self._send_taken(taken, marked=marked)

    def _send_taken(self, taken: Sequence[Operation], *, marked: bool) -> None:
        ends: list[tuple[Operation, Outcome]] = []
        others: list[tuple[Operation, Outcome | Exception]] = []
        flushed = time.monotonic()
        sent = on_threads(
            lambda row: self._send(row, marked=marked), taken, most=self.client.useful_threads
        )
        try:
            with closing(sent):
                for place, result in sent:
                    row = taken[place]
                    if isinstance(result, Outcome) and _is_usual(result):
                        ends.append((row, result))
                    elif result is not None:
                        others.append((row, result))
                    if time.monotonic() - flushed > _FLUSH_AFTER:
                        self._end(ends)
                        ends, flushed = [], time.monotonic()
        finally:
            self._end(ends)
        for row, unusual in others:
            with suppress(LeaseLost):
                self._note(row, unusual)

    # In a sending thread.

    def _send(self, row: Operation, *, marked: bool) -> Outcome | Exception | None:
        """One call; None where nothing is left to be written down."""
        opened = Opened(self.client.vendor, self.preset, self.client.beside())
        try:
            if marked:
                return exchange(row, opened)
            at_desk(lambda: self._mark(row))
            outcome = exchange(row, opened)
            at_desk(lambda: self._settle(row, outcome))
        except LeaseLost:
            return None
        except Error:
            raise
        except Exception as problem:
            logger.exception("Operation %s met an error of our own.", row.pk)
            return problem
        return None

    def _mark(self, row: Operation) -> None:
        """From here on it may have been sent. One query. Raises LeaseLost."""
        now = self.clock()
        Claim(row.pk, OURS).write(sent_at=now, first_sent_at=now, tries=1)
        self._sent_at[row.pk] = now

    # At the desk.

    def _settle(self, row: Operation, outcome: Outcome) -> None:
        """Write one end at once, before its thread begins another call that a kill leaves open."""
        if _is_usual(outcome):
            self._end([(row, outcome)])
        else:
            self._note(row, outcome)

    def _beat(self) -> None:
        with self._writing:
            alive = Operation.objects.filter(
                pk__among=list(self._held), fence=OURS, state=State.SENDING
            ).update(heartbeat_at=now_in_database())
        if not alive:
            raise LeaseLost("Other processes have taken these operations.")

    def _end(self, ends: Sequence[tuple[Operation, Outcome]]) -> None:
        """Write down usual ends, and let those go on that wait for them. Three queries, a commit.

        What another process has taken over is theirs to end.
        """
        if not ends:
            return
        now = self.clock()
        facts = {row.pk: _facts_of(row, outcome, now) for row, outcome in ends}
        with self._writing, transaction.atomic():
            ours = Operation.objects.filter(
                pk__among=list(facts), fence=OURS, state=State.SENDING
            ).order_by("pk")
            mine = list(ours.select_for_update().values_list("pk", flat=True))
            update_rows(Operation, _COLUMNS, [(pk, *_stored(facts[pk])) for pk in mine])
            Operation.objects.filter(waits_for__among=mine, state=State.PLANNED).update(due_at=now)
        ended = set(mine)
        for row, _outcome in ends:
            if row.pk in ended:
                at = self._sent_at.pop(row.pk)
                sent = {"tries": 1, "fence": OURS, "sent_at": at, "first_sent_at": at}
                row.__dict__.update(facts[row.pk], due_at=None, **sent)

    def _note(self, row: Operation, result: Outcome | Exception) -> None:
        """Write down one end that is not usual. Raises LeaseLost."""
        claim, now = Claim(row.pk, OURS), self.clock()
        if isinstance(result, Outcome):
            if result.gone:
                opened = Opened(self.client.vendor, self.preset, self.client.beside())
                result = prove_gone(row, opened, result)
            record(claim, row, result, self.change, now=self.clock())
            return
        note = f"Rolecall met an error of its own ({type(result).__name__}); see the worker's log."
        claim.leave_unknown(now=now, due_at=now + LOOK_AFTER[0], code="internal", note=note)

    def _without_spared(self, rows: Sequence[Operation]) -> list[Operation]:
        """Those from whom access may still be taken (M-15); of the others `carry_on` says why."""
        takes = [row for row in rows if row.takes_access]
        if not takes:
            return list(rows)
        first = takes[0]
        credentials = Credentials.objects.filter(pk=first.credentials_id or 0).first()
        if credentials is None:
            return []
        account = Account(credentials, self.client.vendor, first.inputs, first.tenant)
        reasons = why_each_is_spared(
            account,
            [meant_by_row(row) for row in takes],
            owner=None,
            takes_accounts=takes_accounts(self.change),
            before=[row.pk for row in takes],
        )
        spared = {row.pk for row, reason in zip(takes, reasons, strict=True) if reason}
        return [row for row in rows if row.pk not in spared]


# Ends -------------------------------------------------------------------------------------------


def _is_usual(outcome: Outcome) -> bool:
    """Whether it ends like this, after the first try, without asking anything more."""
    return outcome.kind in {Kind.DONE, Kind.REFUSED, Kind.EXISTS} and not outcome.gone


def _facts_of(row: Operation, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """As `record` writes it."""
    done = outcome.kind == Kind.DONE
    return {
        "state": State.DONE if done else State.REFUSED,
        "finished_at": now,
        "status": outcome.status,
        "code": "exists" if outcome.kind == Kind.EXISTS else outcome.code[:50],
        "answer": outcome.kept,
        "values": dict(outcome.values) if done else {},
        "mapped": {},
        **map_end(row, outcome, done=done),
    }


def _stored(facts: dict[str, Any]) -> Iterable[Any]:
    """The values of `_COLUMNS` as the database takes them."""
    for name in _COLUMNS:
        value = facts[name]
        yield write_json(value) if name in _JSON and value is not None else value
