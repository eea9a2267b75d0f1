"""How a call can end badly, and what each end means: the error table, written down once more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from integrations.errors import AskPerson, BrokenAnswer, TryLater, VendorError
from integrations.registry import Vendor

if TYPE_CHECKING:
    from integrations.sandbox.faults import Kind

TRIES = 5


@dataclass(frozen=True)
class Ending:
    """A fault of the sandbox, and the error that it has to become; `tries` counts the calls."""

    name: str
    kind: Kind
    values: dict[str, Any]
    error: type[VendorError]
    codes: frozenset[str]
    tries: int = 1
    asked: float | None = None
    status: int | None = None


def _status(
    status: int, error: type[VendorError], code: str, *, tries: int = 1, **values: Any
) -> Ending:
    asked = values.pop("asked", None)
    name = values.pop("name", str(status))
    given = {"status": status, "body": "{}", **values}
    return Ending(name, "status", given, error, frozenset({code}), tries, asked, status)


def _silence(name: str, kind: Kind, code: str, **values: Any) -> Ending:
    return Ending(name, kind, values, TryLater, frozenset({code}), TRIES)


def _nonsense(name: str, kind: Kind, *codes: str, **values: Any) -> Ending:
    return Ending(name, kind, values, BrokenAnswer, frozenset(codes))


ENDINGS = (
    _status(401, AskPerson, "unauthorized"),
    _status(403, AskPerson, "forbidden"),
    _status(404, AskPerson, "not_found"),
    _status(409, AskPerson, "refused"),
    _status(422, AskPerson, "refused"),
    _status(
        429, TryLater, "rate_limited", tries=TRIES, retry_after=3, asked=3, name="429 with seconds"
    ),
    _status(
        429,
        TryLater,
        "rate_limited",
        tries=TRIES,
        retry_after=7,
        retry_after_as="date",
        asked=7,
        name="429 with a date",
    ),
    _status(429, TryLater, "rate_limited", tries=TRIES, name="429 without a word"),
    _status(500, TryLater, "server_error", tries=TRIES),
    _nonsense("a sign-in page", "html", "html"),
    _nonsense("nothing", "empty", "empty", form="nothing"),
    _nonsense("204", "empty", "empty", form="no_content"),
    _nonsense("null", "empty", "empty", form="null"),
    _silence("a time-out", "blackhole", "timeout", seconds=20),
    _silence("a reset", "reset", "connection"),
)


@dataclass(frozen=True)
class Meant:
    """What an ending means at one vendor."""

    error: type[VendorError]
    codes: frozenset[str]
    tries: int
    hint: str = field(default="")


def meaning_of(ending: Ending, vendor: Vendor) -> Meant:
    """What the vendor's own error table makes of an ending; without a rule, the general one."""
    rules = [rule for rule in vendor.manifest.errors if ending.status in rule.status]
    rule = next((one for one in rules if one.when is None), None)
    if rule is None:
        return Meant(ending.error, ending.codes, ending.tries)
    error = TryLater if rule.then == "retry" or ending.codes == {"server_error"} else AskPerson
    codes = frozenset({rule.code}) if rule.code else ending.codes
    tries = TRIES if error is TryLater else 1
    return Meant(error, codes, tries, rule.hint)
