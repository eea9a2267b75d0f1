"""What became of a preset's call: done, refused, there already, or nobody knows (M-26)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from integrations.answers import Answer
from integrations.errors import TryLater, VendorError
from integrations.filters import as_text
from integrations.manifest_presets import Batch, Meaning, Preset
from integrations.paths import MISSING
from integrations.presets.answers import at, for_conditions, kept, named_values
from integrations.registry import Vendor
from integrations.values import printable
from integrations.verdicts import holds
from people.masking import mask

_NO_CONTENT = 204
_CLIENT, _SERVER = 400, 500
_FORBIDDEN, _TOO_MANY = 403, 429
# Sent elsewhere after it was done, perhaps; and too slow.
_LEAVES_IT_OPEN = frozenset({302, 303, 408})
_NO_SENSE = frozenset({"html", "wrong_type", "not_json", "empty", "truncated", "too_large"})
_LONGEST_WHY = 300


class Kind(StrEnum):
    """How a call ended."""

    DONE = "done"
    # Certainly not done, and sending it again would end the same way.
    REFUSED = "refused"
    # Certainly not done, because there is one already (BW-27, GT-23j).
    EXISTS = "exists"
    # It may have been done: time-out, reset, 5xx, an answer without sense.
    UNKNOWN = "unknown"
    # Not one byte went out, and that may change by itself: no connection, a pause that was asked.
    NOT_SENT = "not_sent"
    # The vendor answered that it takes no calls now: certainly not done.
    LATER = "later"


@dataclass(frozen=True)
class Outcome:
    """How a call ended, for the row that keeps it; nothing that is kept of it holds a secret.

    `note` is a sentence for the admin. `values` are what the preset names in the answer, `kept` is
    the answer masked and trimmed, of good answers only. `gone`: refused with a status that means
    that the target was not there; done after all, when the control record was found (M-27).
    """

    kind: Kind
    code: str = ""
    note: str = ""
    status: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    kept: Any = None
    gone: bool = False
    retry_after: float | None = None
    # The whole answer and its headers, not masked: for mappings (`operations/mapped.py`), and kept
    # nowhere.
    response: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def judge_call(
    vendor: Vendor,
    preset: Preset,
    result: Answer | VendorError,
    *,
    items: Sequence[str] | None = None,
) -> Outcome:
    """Judge how the call of a preset ended. Sends nothing.

    `items` are those of a batch; without them the one item that was sent.
    """
    if isinstance(result, VendorError):
        return replace(_of_error(vendor, preset, result), response=result.body)
    outcome = _of_answer(vendor, preset, result, items)
    return replace(outcome, response=result.json, headers=result.headers)


def judge_batch(
    vendor: Vendor, preset: Preset, result: Answer | VendorError, items: Sequence[str]
) -> dict[str, Outcome]:
    """Judge each item of a batch by itself. Sends nothing."""
    return {item: judge_call(vendor, preset, result, items=[item]) for item in items}


# Bad endings.


def _of_error(vendor: Vendor, preset: Preset, error: VendorError) -> Outcome:
    status, kind = error.status, _kind_of(error)
    meaning = None if _is_open(error) else _meaning(preset, status, {}, error.body, good=False)
    if kind == Kind.REFUSED and meaning is not None and status is not None:
        told = _by_meaning(preset, meaning, status, error.body, error)
    else:
        needs = _needs(preset, status)
        told = Outcome(kind, error.code, mask(f"{error.message}{needs}"), status)
    if told.kind == Kind.UNKNOWN:
        note = f"Nobody knows whether {vendor.label} did it. {told.note}"
        told = replace(told, note=note if preset.change else told.note)
        return replace(told, retry_after=error.retry_after)
    gone = bool(told.kind == Kind.REFUSED and preset.change and status in preset.change.gone)
    if gone and error.code != "html":
        return replace(told, code="gone", gone=True)
    return replace(told, retry_after=error.retry_after)


def _needs(preset: Preset, status: int | None) -> str:
    """What the credentials need, for a vendor that forbids (BW-25, AH-44)."""
    if status != _FORBIDDEN or not preset.needs:
        return ""
    return f" {preset.label} needs {preset.needs.rstrip('.')}."


def _is_open(error: VendorError) -> bool:
    """Whether the answer leaves it open what happened, whatever words it has."""
    return error.status is None or error.status >= _SERVER or error.code in _NO_SENSE


def _kind_of(error: VendorError) -> Kind:
    status, may_help = error.status, isinstance(error, TryLater)
    if status is None and not error.sent:
        return Kind.NOT_SENT if may_help else Kind.REFUSED
    if status is not None and (error.code == "rate_limited" or status == _TOO_MANY):
        return Kind.LATER
    if _is_open(error) or status in _LEAVES_IT_OPEN or status is None:
        return Kind.UNKNOWN
    if may_help:
        return Kind.LATER if status >= _CLIENT else Kind.UNKNOWN
    return Kind.REFUSED


# Answers.


def _of_answer(
    vendor: Vendor, preset: Preset, answer: Answer, items: Sequence[str] | None
) -> Outcome:
    is_blank = answer.json is None and answer.status != _NO_CONTENT
    if is_blank and not preset.answer.may_be_empty:
        why = f"its answer is empty (status {answer.status})"
        if preset.change is None:
            note = f"{vendor.label} did not answer it: {why}."
            return Outcome(Kind.UNKNOWN, "empty", note, answer.status)
        return _nobody_knows(vendor, "empty", why, answer.status)
    meaning = _meaning(preset, answer.status, answer.headers, answer.json, good=True)
    if meaning is not None:
        return _by_meaning(preset, meaning, answer.status, answer.json, None)
    if preset.batch is not None:
        return _of_item(vendor, preset, preset.batch, answer, items)
    if _names_nothing(preset, answer):
        why = "its answer does not name what it made"
        return _nobody_knows(vendor, "not_named", why, answer.status)
    return _done(preset, answer)


def _names_nothing(preset: Preset, answer: Answer) -> bool:
    """Whether a good answer to a create has none of the values that it should have."""
    if preset.change is None or preset.change.repeat == "safe" or preset.answer.may_be_empty:
        return False
    return bool(preset.answer.values) and not named_values(preset.answer.values, answer.json)


def _nobody_knows(vendor: Vendor, code: str, why: str, status: int) -> Outcome:
    note = f"Nobody knows whether {vendor.label} did it: {why}."
    return Outcome(Kind.UNKNOWN, code, note, status)


def _done(preset: Preset, answer: Answer) -> Outcome:
    return Outcome(
        Kind.DONE,
        "",
        "",
        answer.status,
        values=named_values(preset.answer.values, answer.json),
        kept=kept(answer.json),
    )


def _meaning(
    preset: Preset, status: int | None, headers: Mapping[str, str], body: Any, *, good: bool
) -> Meaning | None:
    """The first meaning that fits the answer; a rule without status speaks of every good one.

    What the vendor folder takes for an error is no good one, whatever its status.
    """
    if status is None:
        return None
    seen = for_conditions(body)
    for one in preset.answer.meanings:
        fits = status == one.status if one.status else good
        if fits and (one.when is None or holds(one.when, headers, seen)):
            return one
    return None


def _by_meaning(
    preset: Preset, meaning: Meaning, status: int, body: Any, error: VendorError | None
) -> Outcome:
    """What a status or an answer means by the preset's own words, with those of the vendor."""
    exists = meaning.means == "exists"
    why = _words(at(body, meaning.why)) if meaning.why else ""
    said = "There is one already; nothing was made." if exists else ""
    if not exists and not (why or meaning.hint):
        said = error.message if error else "The vendor refused the call."
    quoted = f'It says: "{why}".' if why else ""
    note = " ".join(part for part in (said, quoted, meaning.hint) if part)
    kind = Kind.EXISTS if exists else Kind.REFUSED
    return Outcome(
        kind,
        error.code if error and not exists else str(kind),
        mask(f"{note}{_needs(preset, status)}"),
        status,
        values={} if error else named_values(preset.answer.values, body),
    )


def _of_item(
    vendor: Vendor, preset: Preset, batch: Batch, answer: Answer, items: Sequence[str] | None
) -> Outcome:
    """Whether the item is among those that were done, or among those that failed."""
    failed = _listed(answer.json, batch.failed) if batch.failed else []
    done = _listed(answer.json, batch.done)
    if items is not None:
        failed = [one for one in failed if _is_one_of(one, batch.failed_id, items)]
        done = [one for one in done if _is_one_of(one, batch.id, items)]
    if failed:
        why = _words(at(failed[0], batch.why)) or "it does not say why"
        note = mask(f"{vendor.label} did not do it: {why}.".replace("..", "."))
        return Outcome(Kind.REFUSED, "item_refused", note, answer.status, kept=kept(answer.json))
    if done:
        return _done(preset, answer)
    return _nobody_knows(
        vendor, "not_named", "its answer does not name this account", answer.status
    )


def _listed(answer: Any, path: str) -> list[Any]:
    found = at(answer, path)
    return found if isinstance(found, list) else []


def _is_one_of(one: Any, path: str, items: Sequence[str]) -> bool:
    found = at(one, path)
    return found is not MISSING and as_text(found) in items


def _words(value: Any) -> str:
    """The vendor's own words for a note: one line, masked, not long."""
    if value is MISSING or value is None:
        return ""
    text = "; ".join(as_text(part) for part in value) if isinstance(value, list) else as_text(value)
    return printable(mask(text)).strip().rstrip(".")[:_LONGEST_WHY]
