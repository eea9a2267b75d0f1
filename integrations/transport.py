"""One exchange with a vendor over HTTP: written, checked, signed, sent, read within the caps."""

import http.client
import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import orjson
import requests
from django.conf import settings
from requests.structures import CaseInsensitiveDict
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from integrations import templates
from integrations.answers import RawAnswer
from integrations.auth import Access, signer_for
from integrations.connections import EgressAdapter, progress
from integrations.egress import check_url, listed_origin
from integrations.errors import AskPerson, BrokenAnswer, VendorError
from integrations.filters import as_text
from integrations.registry import Vendor
from integrations.verdicts import advice_for, body_error, judge, transport_error

_CHUNK = 64 * 1024
_LIBRARY_ERRORS = (
    requests.RequestException,
    HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_NO_COOKIES = requests.cookies.RequestsCookieJar()
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OUR_HEADERS = (
    "authorization host content-length transfer-encoding connection cookie te trailer upgrade "
    "expect accept-encoding proxy-authorization proxy-connection x-forwarded-host"
)
_OURS = frozenset(_OUR_HEADERS.split())
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
# What a vendor writes as content type is shown only when it is one of these: it could be anything.
_SHOWN_TYPES = (
    "application/json application/problem+json application/xml application/octet-stream "
    "application/pdf application/x-www-form-urlencoded text/json text/html text/xml text/plain "
    "text/csv text/javascript application/javascript application/xhtml+xml"
)
_KNOWN_TYPES = frozenset(_SHOWN_TYPES.split())


class Transport:
    """Sends single calls of one vendor with one set of credentials; repeats nothing."""

    def __init__(
        self,
        vendor: Vendor,
        access: Access,
        *,
        inputs: Mapping[str, str],
        now: Callable[[], datetime],
    ) -> None:
        self._vendor = vendor
        self._access = access
        self._now = now
        self._manifest = vendor.manifest
        self._signer = signer_for(self._manifest.auth, access)
        self._base = (access.base_url or vendor.base_url(inputs)).rstrip("/")
        self._hosts = vendor.hosts(inputs)
        self._extra = listed_origin(access.base_url, settings.EGRESS_EXTRA_HOSTS)
        destination = self._check(self._base)
        if "?" in self._base:
            _refuse("a base URL holds no parameters")
        listed = {(destination.host, destination.port)} if destination.listed else set()
        timeouts = self._manifest.timeouts
        self._timeouts = (timeouts.connect, timeouts.read)
        self._adapter = EgressAdapter(listed=frozenset(listed), total_timeout=timeouts.total)
        self._headers = {
            "User-Agent": self._manifest.user_agent,
            "Accept-Encoding": "gzip, deflate",
            **{
                name: templates.render_header(text, inputs)
                for name, text in self._manifest.headers.items()
            },
        }

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._adapter.close()

    def renew_token(self) -> bool:
        """Have a refused token replaced; False where there is none that could be.

        Raises VendorError when the grant is gone or the token cannot be had now.
        """
        return self._signer.renew()

    def split(self, url: str) -> tuple[str, dict[str, Any]]:
        """Take an address that the vendor gave apart into path and parameters.

        Raises BrokenAnswer unless it lies below the base URL: the credentials would go with it.
        """
        base, given = urlsplit(self._base), urlsplit(url)
        folder = f"{base.path}/"
        same = (given.scheme, given.netloc) == (base.scheme, base.netloc)
        if not same or not given.path.startswith(folder) or given.fragment:
            raise BrokenAnswer(
                "contradiction",
                f"{self._manifest.label} names a next page outside of its own address; it was not "
                "followed.",
            )
        params = parse_qs(given.query, keep_blank_values=True)
        return given.path.removeprefix(folder), dict(params)

    def exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        body: Any,
    ) -> RawAnswer | VendorError:
        """Send one call; give its answer when it is a good one, else what went wrong.

        The error is given, not raised, so that the caller can raise it free of the chain of
        library errors, whose texts hold URLs.
        """
        explain = transport_error
        progress.began = False
        try:
            request = self._write(method, path, params, headers, body)
            response = self._adapter.send(
                request, stream=True, timeout=self._timeouts, verify=True, proxies=None
            )
            explain = body_error
            answer = self._read(response)
        except VendorError as problem:
            problem.sent = progress.began
            return problem
        except _LIBRARY_ERRORS as problem:
            error = explain(problem, self._manifest, self._access)
            error.sent = progress.began
            return error
        return judge(answer, self._manifest, self._access, self._now()) or answer

    def _check(self, url: str) -> Any:
        return check_url(
            url,
            vendor_hosts=self._hosts,
            extra_hosts=self._extra,
            allow_http=settings.EGRESS_ALLOW_HTTP,
        )

    def _write(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        body: Any,
    ) -> requests.PreparedRequest:
        if method.upper() not in _METHODS:
            _refuse("unknown method")
        url = self._url(path)
        if params:
            url = f"{url}?{_query(params)}"
        self._check(url)
        given = {**self._headers, **self._request_id(), **_checked_headers(headers)}
        return self._signer(_prepared(method.upper(), url, given, body))

    def _url(self, path: str) -> str:
        """The whole address; one that is whole already has to be the vendor's (see `_check`)."""
        if not path.startswith("https://") and not path.startswith("http://"):
            return f"{self._base}/{_checked_path(path)}"
        scheme, _, rest = path.partition("://")
        host, slash, inside = rest.partition("/")
        return f"{scheme}://{host}{slash}{_checked_path(inside)}"

    def _request_id(self) -> dict[str, str]:
        name = self._manifest.request_id_header
        return {name: str(uuid.uuid4())} if name else {}

    def _read(self, response: requests.Response) -> RawAnswer:
        """Read the body within the caps. Raises VendorError, and what urllib3 raises."""
        raw: BaseHTTPResponse = response.raw
        kind = _content_type(response.headers.get("Content-Type", ""))
        answer = RawAnswer(
            response.status_code,
            CaseInsensitiveDict(response.headers),
            kind,
            bytearray(),
            advice_for(self._access),
        )
        try:
            self._fill(answer, raw)
        except BaseException:
            raw.close()  # what is left unread must not be taken for the next answer
            raise
        raw.release_conn()
        return answer

    def _fill(self, answer: RawAnswer, raw: BaseHTTPResponse) -> None:
        cap, body = self._manifest.max_bytes, answer.body
        encoding = answer.headers.get("Content-Encoding", "").strip().casefold()
        if encoding not in _ENCODINGS:
            raise BrokenAnswer(
                "wrong_type",
                f"{self._manifest.label} answered in a compression that was not asked for "
                f"(status {answer.status}). {answer.advice}",
                status=answer.status,
            )
        announced = answer.headers.get("Content-Length", "")
        too_large = announced.isdigit() and int(announced[:18]) > cap
        for chunk in () if too_large else raw.stream(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > cap:
                too_large = True
                break
        if too_large:
            body.clear()
            raise BrokenAnswer(
                "too_large",
                f"The answer of {self._manifest.label} is larger than {cap:,} bytes "
                f"(status {answer.status}); it was not read. {answer.advice}",
                status=answer.status,
            )


def _prepared(
    method: str, url: str, headers: Mapping[str, str], body: Any
) -> requests.PreparedRequest:
    """The request as it goes out, but for the secret.

    Address and headers were checked and written by us: preparing them once more, as `requests`
    does, would cost as much as the rest of writing.
    """
    request = requests.PreparedRequest()
    request.method, request.url = method, url
    request.headers = CaseInsensitiveDict(headers)
    request._cookies = _NO_COOKIES  # type: ignore[attr-defined]  # noqa: SLF001 - read by `copy` only
    if body is not None:
        # Exactly this type: BambooHR reads a report with "; charset" behind it as XML.
        request.headers.setdefault("Content-Type", "application/json")
        request.body = _write_json(body)
        request.headers["Content-Length"] = str(len(request.body))
    elif method not in _WITHOUT_BODY:
        request.headers["Content-Length"] = "0"
    return request


def _content_type(header: str) -> str:
    """Give a content type that may be shown and kept."""
    kind = header.partition(";")[0].strip().casefold()
    if not kind or kind in _KNOWN_TYPES:
        return kind
    return "application/problem+json" if kind.endswith("+json") else "another content type"


def _refuse(why: str) -> NoReturn:
    raise AskPerson("refused", f"The call was not sent: {why}.")


def _checked_path(path: str) -> str:
    """Refuse a path that leaves the base URL or brings parameters of its own."""
    relative = path.removeprefix("/")
    segments = relative.split("/")
    if any(segment in {".", ".."} for segment in segments) or "//" in path or "://" in path:
        _refuse("the path leads out of the base URL")
    if any(sign in path for sign in "?#\\{}") or not path.isascii():
        _refuse("the path holds a character that must be percent-encoded")
    if re.search(r"%(2e|2f|5c|00|0a|0d)", path, re.IGNORECASE) and ".." in path.replace("%2e", "."):
        _refuse("the path leads out of the base URL")
    return relative


def _query(params: Mapping[str, Any]) -> str:
    """Write parameters; spaces as %20, nothing for None, lists as repeated parameters."""
    pairs = [
        (name, as_text(item))
        for name, value in params.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if item is not None
    ]
    return urlencode(pairs, quote_via=quote, safe="")


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.casefold() in _OURS:
            _refuse("a header of this name cannot be set")
        if not all(" " <= sign <= "~" or sign == "\t" for sign in value):
            _refuse(f"the header {name} holds a line break or a character that headers cannot hold")
    return dict(headers)


def _write_json(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except (TypeError, ValueError):
        pass  # numbers of more than 64 bits are JSON too
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=True).encode()
    except (TypeError, ValueError):
        _refuse("the body cannot be written as JSON")
