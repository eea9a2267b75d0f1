"""What a bad ending means: the manifest's table, and plain words for the admin."""

import random
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3 import exceptions as urllib3_errors

from integrations.answers import RawAnswer
from integrations.auth import Access
from integrations.errors import AskPerson, BrokenAnswer, TryLater, VendorError
from integrations.filters import as_text
from integrations.manifest import Manifest
from integrations.manifest_parts import Condition, ErrorRule
from integrations.paths import MISSING, compile_path, first_of, parse_path, walk

MAX_TRIES = 5
LONGEST_WAIT = 900.0
_SMALL = 64 * 1024
_GOOD, _REDIRECT, _CLIENT, _SERVER = 200, 300, 400, 500
_UNAUTHORIZED = 401
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*s(?:ec|\b)", re.IGNORECASE | re.ASCII)
_JITTER = random.SystemRandom()
_RETRIED = frozenset({408, 429, 500, 502, 503, 504, 598, 599})
_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
_CODES |= {408: "timeout", 598: "timeout", 599: "timeout"}
_WORDS = {
    "unauthorized": "did not accept the credentials",
    "forbidden": "does not allow this to the credentials",
    "not_found": "has nothing at this address",
    "html": "answered with a web page",
    "rate_limited": "asks to be called less often",
    "server_error": "has a fault of its own",
    "timeout": "took too long to answer",
    "redirect": "sends the call elsewhere, which is not followed",
    "refused": "refused the request",
    "busy": "is still busy with it",
}
_TRANSPORT: tuple[tuple[tuple[type[BaseException], ...], type[VendorError], str, str], ...] = (
    (
        (urllib3_errors.NameResolutionError, socket.gaierror),
        TryLater,
        "dns",
        "The host of {label} was not found. Check the sub-domain.",
    ),
    (
        (requests.exceptions.SSLError, urllib3_errors.SSLError),
        AskPerson,
        "tls",
        "{label} has no valid certificate; nothing was sent. Check the base URL.",
    ),
    (  # urllib3 counts it among the time-outs
        (urllib3_errors.NewConnectionError,),
        TryLater,
        "connection",
        "There is no connection to {label}.",
    ),
    (
        (urllib3_errors.TimeoutError, requests.Timeout, TimeoutError),
        TryLater,
        "timeout",
        "{label} did not answer in time.",
    ),
    (
        (urllib3_errors.DecodeError, requests.exceptions.ContentDecodingError),
        BrokenAnswer,
        "not_json",
        "The answer of {label} cannot be decompressed.",
    ),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader),
        AskPerson,
        "refused",
        "The call to {label} cannot be written as HTTP.",
    ),
)
_KINDS: Mapping[str, type[VendorError]] = {
    "retry": TryLater,
    "ask": AskPerson,
    "fail": AskPerson,
}


_NAMED_BY_THEMSELVES = (
    urllib3_errors.NameResolutionError,
    urllib3_errors.DecodeError,
    requests.exceptions.SSLError,
)


def where_to_look(access: Access) -> str:
    """Say where the admin finds these credentials."""
    return f'Look at Configuration > Security > Credentials > "{access.name}".'


def advice_for(access: Access) -> str:
    """Say what helps when answers make no sense."""
    return f"Run it again; if it stays so, check sub-domain and base URL. {where_to_look(access)}"


def judge(
    answer: RawAnswer, manifest: Manifest, access: Access, now: datetime
) -> VendorError | None:
    """Give the error that an answer means, or None when it is a good one."""
    rule = _rule_for(answer, manifest)
    status = answer.status
    if rule is None and _GOOD <= status < _REDIRECT:
        return None
    code = (rule.code if rule and rule.code else None) or _code_for(status, rule)
    if code == "not_found" and "html" in answer.content_type:
        code = "html"  # some page's "not found", not the vendor's word about a record (M-11)
    then = rule.then if rule else ("retry" if status in _RETRIED else "ask")
    kind = TryLater if code == "server_error" else _KINDS[then]
    hint = f"{rule.hint} " if rule and rule.hint else ""
    words = _WORDS.get(code, "refused the request")
    wait = None
    if then == "retry":
        wait = _wait_for(rule, answer, manifest, now)
    if wait is not None and wait > LONGEST_WAIT:
        hint = f"It asks for a pause of {wait / 60:,.0f} minutes. {hint}"
    error = kind(
        code,
        f"{manifest.label} {words} ({answer.facts}). {hint}{where_to_look(access)}",
        status=status,
        retry_after=wait,
    )
    if answer.size <= _SMALL:
        error.body = _body_of(answer, manifest)
    return error


def may_retry(error: VendorError) -> bool:
    """Say whether the same call may be sent again by itself."""
    return isinstance(error, TryLater)


def is_token_refused(error: VendorError) -> bool:
    """Say whether another access token might help: 401, or a rule's code `token_invalid`."""
    return error.status == _UNAUTHORIZED or error.code == "token_invalid"


def _rule_for(answer: RawAnswer, manifest: Manifest) -> ErrorRule | None:
    body: Any = None
    for rule in manifest.errors:
        if answer.status not in rule.status:
            continue
        if rule.when is None:
            return rule
        if rule.when.path and body is None:
            body = _body_of(answer, manifest)
        if holds(rule.when, answer.headers, body):
            return rule
    return None


def _body_of(answer: RawAnswer, manifest: Manifest) -> Any:
    """The body for conditions; of a bad answer only a small one, of a good one any."""
    if answer.size > _SMALL and answer.status >= _REDIRECT:
        return {}
    try:
        return answer.decode(manifest.max_depth)
    except BrokenAnswer:
        return {}


def holds(condition: Condition, headers: Mapping[str, str], body: Any) -> bool:
    """Say whether a condition of a manifest holds for an answer."""
    found: Any = None
    if condition.missing:
        *before, _last = parse_path(condition.missing)
        is_there = walk(body, tuple(before)) not in (MISSING, None)
        return is_there and compile_path(condition.missing)(body) in (MISSING, None)
    if condition.header:
        found = headers.get(condition.header)
    elif condition.path:
        found = first_of(body, condition.path)
        if condition.is_null:
            return found is None
        found = found or None
    if found is None:
        return False
    text = as_text(found).casefold()
    if condition.contains is not None:
        return condition.contains.casefold() in text
    wanted = condition.one_of or (() if condition.equals is None else (condition.equals,))
    return not wanted or text in {as_text(one).casefold() for one in wanted}


def _wait_for(
    rule: ErrorRule | None, answer: RawAnswer, manifest: Manifest, now: datetime
) -> float | None:
    """The seconds that header and body ask for, the longer; else what the rule says."""
    in_body = _wait_in_body(rule, answer, manifest) if rule is not None else None
    asked = [one for one in (asked_wait(answer.headers, manifest, now), in_body) if one is not None]
    if asked or rule is None:
        return max(asked, default=None)
    if rule.wait_otherwise == "midnight_utc":
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return (today + timedelta(days=1) - now).total_seconds()
    return rule.wait_otherwise


def _wait_in_body(rule: ErrorRule, answer: RawAnswer, manifest: Manifest) -> float | None:
    """The seconds that the body asks for: a number, or a text such as "reset in 17 seconds"."""
    if not rule.wait:
        return None
    found = first_of(_body_of(answer, manifest), rule.wait)
    if isinstance(found, str):
        match = _SECONDS.search(found)
        found = float(match[1]) if match else None
    if isinstance(found, int | float) and not isinstance(found, bool):
        return max(float(found), 0.0)
    return None


def _code_for(status: int, rule: ErrorRule | None) -> str:
    if status in _CODES:
        return _CODES[status]
    if status < _REDIRECT and rule is not None:
        return "rate_limited" if rule.then == "retry" else "refused"
    if _REDIRECT <= status < _CLIENT:
        return "redirect"
    return "server_error" if status >= _SERVER else "refused"


def asked_wait(headers: Mapping[str, str], manifest: Manifest, now: datetime) -> float | None:
    """Give the seconds that the vendor asks us to wait, or None.

    `Retry-After` as seconds or HTTP date, else the manifest's header that names the moment as
    seconds since 1970.
    """
    text = (headers.get("Retry-After") or "").strip()
    if text:
        wait = _seconds(text, now)
        if wait is not None:
            return wait
    reset = manifest.rate.reset_header
    if reset and (headers.get(reset) or "").strip().isdigit():
        try:
            moment = datetime.fromtimestamp(int(headers[reset].strip()), UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return max((moment - now).total_seconds(), 0.0)
    return None


def _seconds(text: str, now: datetime) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
        return max(seconds, 0.0)
    return seconds if 0 <= seconds < float("inf") else None


def wait_before(next_try: int, asked: float | None) -> float:
    """Give the seconds to wait before a try (2, 3, ...).

    What was asked and a little more, or 1, 2, 4, 8 s, of which a random half may be left out.
    """
    if asked:
        return asked + _JITTER.uniform(0, min(asked * 0.1, 5.0))
    base = float(2 ** (next_try - 2))
    return _JITTER.uniform(base / 2, base)


def transport_error(problem: BaseException, manifest: Manifest, access: Access) -> VendorError:
    """Turn what `requests` and urllib3 raise into ours; their texts, which hold URLs, are left."""
    reason = _innermost(problem)
    for kinds, made, code, sentence in _TRANSPORT:
        if isinstance(reason, kinds):
            words = sentence.format(label=manifest.label)
            return made(code, f"{words} {where_to_look(access)}")
    return TryLater("connection", f"{manifest.label} ended the connection. {where_to_look(access)}")


def body_error(problem: BaseException, manifest: Manifest, access: Access) -> VendorError:
    """The same for what is raised after the head of an answer was read."""
    error = transport_error(problem, manifest, access)
    if error.code != "connection":
        return error
    message = f"The answer of {manifest.label} broke off while it was read. {advice_for(access)}"
    return TryLater("truncated", message)


def _innermost(problem: BaseException) -> BaseException:
    """Follow `requests` -> MaxRetryError -> reason, and ProtocolError -> IncompleteRead."""
    for _ in range(6):
        inner = getattr(problem, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((part for part in problem.args if isinstance(part, BaseException)), None)
        if inner is None or isinstance(problem, _NAMED_BY_THEMSELVES):
            return problem
        problem = inner
    return problem
