"""VendorClient: sign, limit, send, wait, read; every bad ending is a VendorError."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

from integrations import templates
from integrations.answers import Answer, RawAnswer
from integrations.auth import Access
from integrations.errors import AskPerson, TemplateError, TryLater, VendorError
from integrations.filters import as_text
from integrations.limits import Pacing, PauseTooLong, limiter_for
from integrations.listing import Listing, Page, Watch
from integrations.manifest_load import Load, NextUrl, Single
from integrations.manifest_parts import Request
from integrations.pace import shared_limiter_for
from integrations.pagination import Position, read_pages, read_single
from integrations.paths import MISSING, compile_path, first_of
from integrations.presets.call import Rendered
from integrations.registry import Vendor
from integrations.threads import sending_threads
from integrations.transport import Transport
from integrations.verdicts import (
    LONGEST_WAIT,
    MAX_TRIES,
    is_token_refused,
    may_retry,
    wait_before,
    where_to_look,
)

OnWait = Callable[[float, str], None]
_LASTS = 4  # seconds that a slow vendor takes for an answer
_TOLD_FROM = 1.0  # shorter waits are not worth telling


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Connection:
    """What the test call showed: the account, the record that owns the key, a sentence.

    `warnings` are sentences about what works but should be looked at.
    """

    tenant: str
    owner_id: str | None
    text: str
    warnings: tuple[str, ...] = ()


class VendorClient:
    """Calls one vendor with one set of credentials; may be shared by threads, except `pages`.

    Raises AskPerson on construction when inputs, credentials, base URL or overrides cannot be
    used (`input_invalid`, `credentials_invalid`, `egress_refused`), OverrideRefused likewise.
    """

    def __init__(
        self,
        vendor: Vendor,
        access: Access,
        *,
        inputs: Mapping[str, str],
        now: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: OnWait | None = None,
    ) -> None:
        self.vendor = vendor.corrected(access.overrides)
        self.inputs = self.vendor.read_inputs(inputs)
        self.access = access
        self._sleep = sleep
        self._on_wait = on_wait
        self._transport = Transport(self.vendor, access, inputs=self.inputs, now=now)
        find_limiter = shared_limiter_for if access.is_row else limiter_for
        self._limiter: Pacing = find_limiter(access.credentials_id, self.vendor.manifest.rate)
        self._watch: Watch | None = None
        self._requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()

    def beside(self) -> Self:
        """Give a client for another thread, which may read pages too; they share connections.

        Only the first one is to be closed.
        """
        return copy.copy(self)

    def calls_in(self, seconds: float) -> float:
        """How many calls the vendor's rate lets through in so many seconds; perhaps infinite."""
        rate = self.vendor.manifest.rate
        a_second = min(rate.per_second or math.inf, (rate.per_minute or math.inf) / 60)
        return a_second * seconds

    @property
    def useful_threads(self) -> int:
        """How many calls at once the vendor's rate has use for: more would only wait."""
        return int(min(sending_threads(), max(2, self.calls_in(_LASTS))))

    def close(self) -> None:
        """Close the connections that are kept alive; the client may be used again."""
        self._transport.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        safe_to_repeat: bool = False,
    ) -> Answer:
        """Send one call and decode its answer. Raises VendorError.

        GET, and what the caller knows to be safe, is tried up to five times; anything else once.
        `path` is relative to the base URL and already encoded (`templates.render_url`).
        """
        raw = self._send(
            method,
            path,
            params=params or {},
            headers=headers or {},
            body=json,
            may_repeat=safe_to_repeat or method.upper() in {"GET", "HEAD"},
        )
        decoded = raw.decode(self.vendor.manifest.max_depth)
        return Answer(raw.status, raw.headers, decoded, raw.content_type, raw.size)

    def perform(self, request: Request, values: Mapping[str, Any] | None = None) -> Answer:
        """Send a request of the manifest, filled in with the inputs and `values`."""
        raw = self._perform(request, {**self.inputs, **(values or {})})
        decoded = raw.decode(self.vendor.manifest.max_depth)
        return Answer(raw.status, raw.headers, decoded, raw.content_type, raw.size)

    def stream(self, request: Request, records: str | None = None) -> Iterator[list[Any]]:
        """Send a request and give the list in its answer piece by piece. Raises VendorError."""
        raw = self._perform(request, dict(self.inputs))
        _, pieces = raw.records(records, self.vendor.manifest.max_depth)
        yield from pieces

    def test(self) -> Connection:
        """Make the vendor's harmless call. Raises VendorError when credentials do not work."""
        manifest = self.vendor.manifest
        answer = self.perform(manifest.test.request)
        kinds: dict[str, tuple[type, ...]]
        kinds = {"object": (dict,), "list": (list,), "either": (dict, list)}
        if not isinstance(answer.json, kinds[manifest.test.answer]):
            raise AskPerson(
                "contradiction",
                f"{self.vendor.label} answered the test call with something else than it documents "
                f"(status {answer.status}, {answer.size} bytes). Check the sub-domain.",
                status=answer.status,
            )
        tenant = self._tenant(answer)
        self._check_named(answer)
        owner = manifest.owner
        if owner is not None and owner.request == manifest.test.request:
            owner_id = _id_in(answer.json, owner.id)
        else:
            owner_id = self.owner_id()
        text = f'Connected to {self.vendor.label}, account "{tenant}".'
        if owner_id:
            text += f" The credentials belong to the record {owner_id}."
        warnings = tuple(
            one.text
            for one in manifest.test.warnings
            if as_text(compile_path(one.path)(answer.json)) not in map(as_text, one.unless)
        )
        return Connection(tenant, owner_id, " ".join([text, *warnings]), warnings)

    def check_tenant(self, expected: str | None) -> str | None:
        """Say whose account it is, where no input does: by the credentials, or one call (M-1).

        Raises VendorError, `other_account` where it is not the expected one.
        """
        tenant = self.vendor.manifest.tenant
        if tenant.input:
            return None
        if tenant.word:
            answered = self.access.tenant or tenant.word
        else:
            answered = self._tenant(self.perform(self.vendor.manifest.test.request))
        if expected is not None and answered != expected:
            raise AskPerson(
                "other_account",
                f'The credentials answer for the account "{answered}" of {self.vendor.label}, but '
                f'"{expected}" was launched. {where_to_look(self.access)}',
            )
        return answered

    def owner_id(self) -> str | None:
        """Give the id of the record that owns the credentials; None where the vendor has none.

        Raises VendorError for other bad endings, and for an answer that names nobody.
        """
        owner = self.vendor.manifest.owner
        if owner is None:
            return None
        try:
            answer = self.perform(owner.request)
        except VendorError as problem:
            if problem.status in owner.none:
                return None
            raise
        found = _id_in(answer.json, owner.id)
        if found is None:
            raise AskPerson("contradiction", f"{self.vendor.label} did not say whose the key is.")
        return found

    def pages(
        self, load: Load | str, *, today: date, extra_fields: Sequence[str] = ()
    ) -> Iterator[Page]:
        """Read a load page by page; `listing` then says how it went. Raises VendorError.

        `today` is the day for which values hold; `extra_fields` are fields of the vendor that
        mappings name besides those of the manifest.
        """
        chosen = self.vendor.load(load if isinstance(load, str) else load.key)
        watch = self._watch = Watch(chosen)
        self._requests = 0
        names = tuple(dict.fromkeys([*chosen.requested, *extra_fields]))
        values = {**self.inputs, "requested_fields": list(names), "today": today}
        enrich = None
        if chosen.hook:
            enrich = getattr(self.vendor.hooks, chosen.hook)(self, today)
        for page in self._read(chosen, watch, values, names):
            if enrich is not None:
                for record in page.records:
                    if isinstance(record, dict):
                        enrich(record)
            yield page

    def pages_like(
        self,
        load: Load,
        request: Rendered,
        *,
        records: str | None,
    ) -> Iterator[Page]:
        """Read a listing that is no load, with the paging of this one; else as `pages`."""
        watch = self._watch = Watch(load.model_copy(update={"records": records}))
        self._requests = 0

        def send(position: Position) -> RawAnswer:
            moved = request.at(position, sent_in=getattr(load.paging, "sent_in", "params"))
            path, params = moved.path, moved.params
            if position.url is not None:
                path, params = self._transport.split(position.url)
            return self._send(
                request.method,
                path,
                params=params,
                headers=request.headers,
                body=moved.body,
                may_repeat=True,
            )

        depth = self.vendor.manifest.max_depth
        if isinstance(load.paging, Single):
            return read_single(send(Position()), watch, max_depth=depth, names=())
        return read_pages(watch, load.paging, send, max_depth=depth)

    @property
    def listing(self) -> Listing:
        """How the last listing went; not complete while it is read or when it broke off."""
        if self._watch is None:
            return Listing(False, ["Nothing was read."], 0, 0, None, 0)
        self._watch.requests = self._requests
        return self._watch.listing()

    def _read(
        self, load: Load, watch: Watch, values: Mapping[str, Any], names: tuple[str, ...]
    ) -> Iterator[Page]:
        depth = self.vendor.manifest.max_depth
        paging = load.paging
        if isinstance(paging, Single):
            answer = self._perform(load.request, values)
            return read_single(answer, watch, max_depth=depth, names=names)

        def send(position: Position) -> RawAnswer:
            if isinstance(paging, NextUrl):
                return self._perform(load.request, values, url=position.url)
            place = {paging.sent_in: position.values}
            return self._perform(
                load.request,
                values,
                params=place.get("params"),
                json=place.get("json"),
                variables=place.get("variables"),
            )

        return read_pages(watch, paging, send, max_depth=depth)

    def _perform(
        self,
        request: Request,
        values: Mapping[str, Any],
        *,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        url: str | None = None,
    ) -> RawAnswer:
        """Fill in a request and send it; `url` takes the place of its path and parameters."""
        try:
            path = templates.render_url(request.path, values)
            all_params = {**templates.render_tree(request.params, values), **(params or {})}
            headers = {
                name: templates.render_header(text, values)
                for name, text in request.headers.items()
            }
            body = templates.render_tree(request.body, values)
            in_query = templates.render_tree(request.variables, values)
        except TemplateError as problem:
            raise _unsent(problem) from None
        if url is not None:
            path, all_params = self._transport.split(url)
        if json is not None:
            body = {**(body or {}), **json}
        if request.query:
            body = {"query": request.query_text, "variables": {**in_query, **(variables or {})}}
        return self._send(
            request.method,
            path,
            params=all_params,
            headers=headers,
            body=body,
            may_repeat=request.may_repeat,
        )

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        body: Any,
        may_repeat: bool,
    ) -> RawAnswer:
        """Send within the rate, and again where that may help. Raises VendorError."""
        tries = MAX_TRIES if may_repeat else 1
        attempt = 1
        renewed = False
        while True:
            self._keep_the_pace()
            self._requests += 1
            outcome = self._transport.exchange(method, path, params, headers, body)
            if isinstance(outcome, RawAnswer):
                return outcome
            if not renewed and is_token_refused(outcome) and self._transport.renew_token():
                renewed = True  # what is refused like this was not done: once more
                continue
            asked = outcome.retry_after
            too_long = asked is not None and asked > LONGEST_WAIT
            is_last = attempt >= tries
            if asked and (too_long or (is_last and outcome.code == "rate_limited")):
                self._limiter.pause(asked)  # for every process with these credentials
            if is_last or not may_retry(outcome) or too_long:
                # Raised outside of any `except`: the texts of libraries hold URLs, and a URL a key.
                raise outcome
            attempt += 1
            self._wait(wait_before(attempt, asked), outcome)

    def _keep_the_pace(self) -> None:
        try:
            self._limiter.take(self._pause)
        except PauseTooLong as problem:
            seconds = problem.seconds
        else:
            return
        paused = TryLater(
            "rate_limited",
            f"{self.vendor.label} has asked for a pause of {seconds / 60:,.0f} more minutes, so "
            f"nothing was sent. {where_to_look(self.access)}",
            retry_after=seconds,
        )
        paused.sent = False
        raise paused

    def _wait(self, seconds: float, error: VendorError) -> None:
        if self._on_wait is not None:
            self._on_wait(seconds, error.message)
        if error.retry_after is not None or error.code == "rate_limited":
            self._limiter.pause(seconds)  # for every process with these credentials
        else:
            self._sleep(seconds)

    def _pause(self, seconds: float) -> None:
        if self._on_wait is not None and seconds >= _TOLD_FROM:
            self._on_wait(seconds, f"Keeping to the rate of {self.vendor.label}.")
        self._sleep(seconds)

    def _check_named(self, answer: Answer) -> None:
        """Where the answer lists the accounts of the credentials, the input has to be one."""
        names = self.vendor.manifest.test.names
        if names is None:
            return
        found = {_id_in(answer.json, names.at)}
        listed = compile_path(names.each)(answer.json) if names.each else None
        for one in listed if isinstance(listed, list) else ():
            found.add(_id_in(one, (names.id,)) if names.id else as_text(one))
        wanted = self.inputs[names.input]
        if wanted not in found:
            label = self.vendor.inputs[names.input].label
            known = ", ".join(sorted(one for one in found if one))
            raise AskPerson(
                "other_account",
                f'These credentials are not for the {label} "{wanted}". {self.vendor.label} names: '
                f"{known or 'none'}.",
            )

    def _tenant(self, answer: Answer) -> str:
        tenant = self.vendor.manifest.tenant
        if tenant.input:
            return self.inputs[tenant.input]
        if tenant.word:
            return self.access.tenant or tenant.word
        named = _id_in(answer.json, tenant.answer)
        if named is None:
            raise AskPerson(
                "contradiction",
                f"{self.vendor.label} did not say for which account the credentials are "
                f"(status {answer.status}, {answer.size} bytes). {where_to_look(self.access)}",
                status=answer.status,
            )
        return named


def _unsent(problem: TemplateError) -> AskPerson:
    error = AskPerson("refused", f"The call was not sent: {problem.message}.")
    error.sent = False
    return error


def _id_in(value: Any, paths: tuple[str, ...]) -> str | None:
    found = first_of(value, paths)
    if found is MISSING or found is None or isinstance(found, dict | list | bool):
        return None
    return str(found) or None
