"""Sending one claimed operation, outside of any transaction, and writing down how that ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import Error

from integrations.client import VendorClient
from integrations.errors import AskPerson, IntegrationsError, LeaseLost, TryLater, VendorError
from integrations.filters import as_text
from integrations.manifest_presets import Change, Preset
from integrations.models import Operation
from integrations.operations.mapped import map_end
from integrations.operations.rows import LONGEST_WAIT, Claim, State
from integrations.operations.unsent import TAKEN_BACK
from integrations.presets.account import Account
from integrations.presets.call import Rendered
from integrations.presets.look_up import find, is_surely_gone
from integrations.presets.outcome import Kind, Outcome, judge_call
from integrations.presets.spare import Meant, why_spared
from integrations.registry import Vendor, get_preset
from integrations.services import access_for

logger = logging.getLogger(__name__)
Clock = Callable[[], datetime]
# After this long nobody knew how it ended, it is looked up (M-27).
LOOK_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
MOST_SENT = 5
# Whom a call spares is looked up when it is prepared, and again when that was longer ago.
_PREPARED_LASTS = timedelta(minutes=1)
_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
SEVERAL = "several"
ADOPTED = "No answer had said so, but a look-up shows it: it went through."
_EARLIER = " An earlier try of the same call may have gone through; look at the vendor."


class IsWanted(Protocol):
    """Says of a call that waited whether it is wanted; old ones are looked at once more."""

    def __call__(self, call: Operation, now: datetime, *, is_old: bool) -> bool: ...


STILL_WANTED: list[IsWanted] = []
"""Whoever plans calls says here whether one that waited is still wanted (M-23)."""


@dataclass(frozen=True)
class Opened:
    """What a call needs: the vendor's folder, the preset, and a client with the credentials."""

    vendor: Vendor
    preset: Preset
    client: VendorClient

    @property
    def change(self) -> Change:
        """What the preset says about repeating and looking up."""
        assert self.preset.change is not None  # noqa: S101 - only changes are planned
        return self.preset.change


def open_for(row: Operation) -> Opened:
    """Open the credentials of an operation. Raises IntegrationsError. One query."""
    vendor, preset = get_preset(row.preset)
    credentials = row.credentials
    if credentials is None:
        raise IntegrationsError(
            f'The credentials "{row.credentials_name}" were deleted. Choose others and call the '
            "preset again."
        )
    client = VendorClient(vendor, access_for(credentials), inputs=row.inputs)
    # With what is inferred about the vendor as it was corrected for these credentials.
    return Opened(client.vendor, client.vendor.preset(preset.key), client)


def send(claim: Claim, row: Operation, clock: Clock) -> None:
    """Send a claimed operation and record the outcome under its fence. Raises LeaseLost.

    Everything until `sent_at` is committed certainly reached no vendor; everything after it may
    have. A process that dies in between leaves just that behind.
    """
    try:
        opened = open_for(row)
    except IntegrationsError as problem:
        _end_refused(claim, row, "not_ready", problem.message, now=clock())
        return
    with opened.client:
        if _is_unwanted(claim, row, clock):
            return
        if not row.tries and (
            _is_spared(claim, row, opened, clock) or _is_there_already(claim, row, opened, clock)
        ):
            return
        now = clock()
        tries = row.tries + 1
        claim.write(sent_at=now, first_sent_at=row.first_sent_at or now, tries=tries)
        outcome = exchange(row, opened)
        if outcome.gone:
            outcome = prove_gone(row, opened, outcome)
        if outcome.kind == Kind.REFUSED and row.tries:
            outcome = _ask_for_earlier_try(row, opened, outcome)
        record(claim, row, outcome, opened.change, now=clock())


def exchange(row: Operation, opened: Opened) -> Outcome:
    """Send it once and judge the answer. One call, no query. `row` is as it was before the call."""
    request = Rendered.from_json(row.request)
    headers = dict(request.headers)
    if opened.change.idempotency:
        headers[opened.change.idempotency.header] = str(row.idempotency_key)
    if named := opened.vendor.manifest.request_id_header:
        headers[named] = row.request_id(row.tries + 1)
    result: Any
    try:
        result = opened.client.call(
            request.method,
            request.path,
            params=request.params,
            headers=headers,
            json=request.body,
        )
    except VendorError as problem:
        result = problem
    return judge_call(opened.vendor, opened.preset, result)


def prove_gone(row: Operation, opened: Opened, outcome: Outcome) -> Outcome:
    """What was to be taken away is not there: done, if the vendor shows others by that call (M-11).

    Up to three calls that read.
    """
    look_up = opened.change.look_up
    if look_up is None:
        return outcome
    needed = row.request.get("needed", {})
    try:
        gone = is_surely_gone(opened.client, look_up, needed, tenant=row.tenant)
    except TryLater as problem:
        note = (
            f"The vendor says that it is not there, which could not be checked. {problem.message}"
        )
        return replace(outcome, kind=Kind.UNKNOWN, note=note)
    except VendorError as problem:
        return replace(outcome, note=f"{outcome.note} {problem.message}".strip())
    if not gone:
        note = f"The vendor says that it is not there, yet shows it. {outcome.note}".strip()
        return replace(outcome, note=note)
    return replace(outcome, kind=Kind.DONE, note="It was gone already, so nothing was to be done.")


def _ask_for_earlier_try(row: Operation, opened: Opened, outcome: Outcome) -> Outcome:
    """Another try is refused: perhaps because an earlier one went through. At most one call."""
    try:
        found = sighting(opened, row)
    except VendorError:
        return outcome
    if found is None:
        return outcome
    return replace(outcome, kind=Kind.DONE, code="adopted", note=ADOPTED, values=found)


def meant_by_row(row: Operation) -> Meant:
    """Whom a row is about, by what its look-up names."""
    needed = row.request.get("needed", {})
    named = {name: part for name, part in needed.items() if name not in {"account", "variables"}}
    return Meant(frozenset({row.target, *_texts_in(named)}), row.person_id, row.saas_user_id)


def is_prepared_long_ago(row: Operation, now: datetime) -> bool:
    """Whether whom it spares has to be asked for once more."""
    return row.retry > 0 or now - row.created_at >= _PREPARED_LASTS


def _is_spared(claim: Claim, row: Operation, opened: Opened, clock: Clock) -> bool:
    """Look once more whether access may be taken (M-15); True when the operation is done with.

    Much may have changed since it was prepared. Seven queries; a call to a vendor that says whose
    the credentials are, unless that was asked a moment ago.
    """
    if not row.takes_access or row.credentials is None:
        return False
    is_old = is_prepared_long_ago(row, clock())
    account = Account(row.credentials, opened.vendor, row.inputs, row.tenant)
    try:
        owner = opened.client.owner_id() if is_old else None
    except TryLater as problem:
        postpone(claim, row, problem.code, problem.message, problem.retry_after, now=clock())
        return True
    except VendorError as problem:
        _end_refused(claim, row, problem.code, problem.message, now=clock())
        return True
    reason = why_spared(account, meant_by_row(row), owner=owner, before=row.pk)
    if reason:
        note = f"Nothing was sent for {row.record}. {reason}"
        _end_refused(claim, row, "protected", note, now=clock())
    return bool(reason)


def _is_unwanted(claim: Claim, row: Operation, clock: Clock) -> bool:
    """Whether nobody would plan it now; then whoever planned it asks anew, and finds out why."""
    now = clock()
    is_old = is_prepared_long_ago(row, now)
    if row.tries or all(is_wanted(row, now, is_old=is_old) for is_wanted in STILL_WANTED):
        return False
    claim.end(
        State.REFUSED,
        now=now,
        key=f"{row.key} taken back {row.pk}",
        code=TAKEN_BACK,
        note="Nothing was sent: what it was planned for had changed meanwhile.",
    )
    return True


def _texts_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for part in tree.values():
            yield from _texts_in(part)
    elif isinstance(tree, str | int) and (text := as_text(tree).strip()):
        yield text


def _is_there_already(claim: Claim, row: Operation, opened: Opened, clock: Clock) -> bool:
    """Look before the first send where the preset says so; True when the operation is done with."""
    look_up = opened.change.look_up
    if look_up is None or not look_up.first:
        return False
    try:
        found = sighting(opened, row)
    except TryLater as problem:
        postpone(claim, row, problem.code, problem.message, problem.retry_after, now=clock())
    except VendorError as problem:
        _end_refused(claim, row, problem.code, problem.message, now=clock())
    else:
        if found is None:
            return False
        note = "Nothing was sent: the vendor has it already."
        facts = map_end(row, Outcome(Kind.EXISTS, "exists", note), done=False)
        claim.end(State.REFUSED, now=clock(), code="exists", values=found, **facts)
    return True


def sighting(opened: Opened, row: Operation) -> dict[str, Any] | None:
    """The values of the effect where the vendor shows it; None where it does not (yet).

    Raises VendorError when the vendor did not answer the question, and `several` when it shows more
    than one: which of them is ours, nobody knows.
    """
    look_up = opened.change.look_up
    if look_up is None:
        return None
    needed = row.request.get("needed", {})
    if look_up.effect_is == "absent":
        gone = is_surely_gone(opened.client, look_up, needed, tenant=row.tenant)
        return {} if gone else None
    found = find(opened.client, look_up, needed)
    if len(found) > 1:
        raise AskPerson(
            SEVERAL,
            f"{opened.vendor.label} shows {len(found)} of what this call makes one of. Look there "
            "which is meant.",
        )
    return found[0] if found else None


# The outcome ------------------------------------------------------------------------------------


def record(
    claim: Claim, row: Operation, outcome: Outcome, change: Change, *, now: datetime
) -> None:
    """Write down how a call ended. `row` is as it was before the call. Raises LeaseLost."""
    facts: dict[str, Any] = {
        "status": outcome.status,
        "code": outcome.code[:50],
        "note": outcome.note,
        "answer": outcome.kept,
    }
    resent = row.tries > 0
    if outcome.kind == Kind.DONE:
        facts |= map_end(row, outcome, done=True)
        claim.end(State.DONE, now=now, values=dict(outcome.values), **facts)
    elif outcome.kind == Kind.EXISTS and resent:
        # Our earlier try brought it about: it is looked up for what it holds, then adopted.
        facts["code"] = "exists"
        claim.leave_unknown(now=now, due_at=now, **facts)
    elif outcome.kind == Kind.UNKNOWN:
        claim.leave_unknown(now=now, due_at=now + _wait_of(row, change, now), **facts)
    elif outcome.kind in {Kind.LATER, Kind.NOT_SENT}:
        postpone(claim, row, outcome.code, outcome.note, outcome.retry_after, now=now)
    else:
        facts["code"] = "exists" if outcome.kind == Kind.EXISTS else facts["code"]
        facts |= map_end(row, outcome, done=False)
        facts["note"] += _EARLIER if resent else ""
        claim.end(State.REFUSED, now=now, **facts)


def _wait_of(row: Operation, change: Change, now: datetime) -> timedelta:
    """Until the next look-up or the next try; at once where only a person is left."""
    if change.repeat == "never" and change.look_up is not None:
        return LOOK_AFTER[0]
    may_again = may_send_again(row, change, now)
    if not may_again or (change.repeat == "safe" and not row.tries):
        return timedelta(0)
    return _WAITS[min(row.tries, len(_WAITS) - 1)]


def may_send_again(row: Operation, change: Change, now: datetime) -> bool:
    """Whether another try can bring about nothing more than the first one did (M-27)."""
    if row.tries >= MOST_SENT:
        return False
    if change.repeat == "safe" or change.duplicates == "refused":
        return True
    life = change.idempotency
    began = row.first_sent_at or now
    return bool(life and now < began + timedelta(seconds=life.seconds))


def postpone(
    claim: Claim, row: Operation, code: str, note: str, seconds: float | None, *, now: datetime
) -> None:
    """The vendor did certainly not do it now: send it later. Raises LeaseLost.

    What an earlier try left unknown stays so, and is sent when its time comes. After a day it is
    refused.
    """
    fields: dict[str, Any] = {"code": code[:50], "note": note, "tries": row.tries}
    if now - row.created_at >= LONGEST_WAIT:
        _end_refused(claim, row, code, f"It could not be sent for a day. {note}", now=now)
        return
    wait = timedelta(seconds=seconds) if seconds else _WAITS[1]
    state = State.UNKNOWN if row.tries else State.PLANNED
    claim.write(
        state=state,
        due_at=now + wait,
        sent_at=row.sent_at,
        first_sent_at=row.first_sent_at,
        heartbeat_at=row.heartbeat_at if row.tries else None,
        **fields,
    )


def _end_refused(claim: Claim, row: Operation, code: str, note: str, *, now: datetime) -> None:
    fields = map_end(row, Outcome(Kind.REFUSED, code, note), done=False)
    fields["note"] += _EARLIER if row.tries else ""
    claim.end(State.REFUSED, now=now, tries=row.tries, code=code[:50], **fields)


def send_guarded(claim: Claim, row: Operation, clock: Clock) -> None:
    """Send, and whatever goes wrong in our own code leaves the row as true as can be."""
    try:
        send(claim, row, clock)
    except (LeaseLost, Error):
        raise
    except Exception as problem:
        logger.exception("Operation %s met an error of our own.", row.pk)
        row.refresh_from_db(fields=["sent_at", "tries"])
        note = f"Rolecall met an error of its own ({type(problem).__name__}); see the worker's log."
        if row.sent_at is None:
            claim.end(State.REFUSED, now=clock(), code="internal", note=note)
        else:
            now = clock()
            claim.leave_unknown(now=now, due_at=now + LOOK_AFTER[0], code="internal", note=note)
