"""The token endpoint: one request, its answer read by RFC 6749; nothing of a body is told."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from integrations.auth import Access
from integrations.connections import EgressAdapter, progress
from integrations.egress import listed_origin
from integrations.errors import AskPerson, TokenRefused, TryLater, VendorError
from integrations.oauth.grant import Grant, check_endpoint
from integrations.verdicts import asked_wait, transport_error
from people.masking import register_secret

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5.0, 10.0, 15.0
_LARGEST = 256 * 1024
_LONGEST_TOKEN = 16 * 1024
_GOOD, _REDIRECT, _CLIENT, _SERVER = 200, 300, 400, 500
_TOO_MANY = 429
_FINAL = frozenset({400, 401, 403})
_LIBRARY_ERRORS = (requests.RequestException, HTTPError, http.client.HTTPException, OSError)
# What may be told of a refusal: these words of RFC 6749, nothing else that the vendor wrote.
_KNOWN = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "access_denied",
    }
)
_PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


@dataclass(frozen=True)
class Granted:
    """Tokens as they were issued; `lifetime` are seconds, None where nobody says it."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    lifetime: float | None


def ask_for_token(
    grant: Grant, url: str, fields: Mapping[str, str], client: Mapping[str, str]
) -> Granted:
    """Send one request for tokens; it is never repeated here. Not to be called in a transaction.

    `url` is one of the grant's endpoints, `client` holds `client_id` and `client_secret`. Raises
    TokenRefused, TryLater (`no_token`), AskPerson.
    """
    began = progress.began  # of the call to the API, which asks for a token on its way
    try:
        status, headers, body = _exchange(grant, url, fields, client)
    finally:
        progress.began = began
    if _GOOD <= status < _REDIRECT:
        return _read_tokens(grant, body)
    raise _refusal(grant, status, headers, body)


def _exchange(
    grant: Grant, url: str, fields: Mapping[str, str], client: Mapping[str, str]
) -> tuple[int, Mapping[str, str], Any]:
    check_endpoint(url, grant.vendor)
    parts = urlsplit(url)
    known = listed_origin(url, settings.EGRESS_EXTRA_HOSTS)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    listed = frozenset({(parts.hostname or "", port)}) if known else frozenset()
    adapter = EgressAdapter(listed=listed, total_timeout=TOTAL_SECONDS)
    try:
        response = adapter.send(
            _write(grant, url, fields, client),
            stream=True,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            verify=True,
            proxies=None,
        )
        return response.status_code, response.headers, _read(response)
    except _LIBRARY_ERRORS as problem:
        error = transport_error(problem, grant.vendor.manifest, _stand_in(grant))
    finally:
        adapter.close()
    # Raised outside of the `except`: the texts of libraries hold addresses.
    raise _without_token(error)


def _write(
    grant: Grant, url: str, fields: Mapping[str, str], client: Mapping[str, str]
) -> requests.PreparedRequest:
    sent = {name: value for name, value in fields.items() if value}
    headers = {"Accept": "application/json", "User-Agent": grant.vendor.manifest.user_agent}
    if grant.client_authentication == "basic":
        pair = ":".join(quote(client[name], safe="") for name in ("client_id", "client_secret"))
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        sent |= {name: client[name] for name in ("client_id", "client_secret")}
    request = requests.Request("POST", url, headers=headers).prepare()
    if grant.sent_as == "json":
        request.headers["Content-Type"] = "application/json"
        request.prepare_body(json.dumps(sent).encode(), None)
    else:
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        request.prepare_body(urlencode(sent, quote_via=quote).encode(), None)
    return request


def _read(response: requests.Response) -> Any:
    """The JSON object of an answer, or an empty one. Raises what urllib3 raises."""
    body = bytearray()
    for chunk in response.raw.stream(_LARGEST, decode_content=True):
        body += chunk
        if len(body) > _LARGEST:
            return {}
    try:
        found = orjson.loads(bytes(body))
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_tokens(grant: Grant, body: Mapping[str, Any]) -> Granted:
    token, refresh = _token(body.get("access_token")), _token(body.get("refresh_token"))
    if token is None:
        raise TryLater(
            "no_token",
            f"{grant.vendor.label} answered the request for a token with something else than it "
            f"documents. {_where(grant)}",
        )
    for one in (token, refresh):
        if one is not None:
            register_secret(one)
    return Granted(token, refresh, _seconds(body.get("expires_in"), grant.lifetime))


def _token(value: Any) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        return None
    return value if value.isascii() and value.isprintable() and " " not in value else None


def _seconds(value: Any, otherwise: int | None) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return otherwise
    return min(seconds, 10.0**9) if seconds > 0 else otherwise


def _refusal(
    grant: Grant, status: int, headers: Mapping[str, str], body: Mapping[str, Any]
) -> VendorError:
    label, reason = grant.vendor.label, body.get("error")
    if status in _FINAL and isinstance(reason, str) and reason and reason not in _PASSING:
        known = reason if reason in _KNOWN else "other"
        told = f" ({known})" if known != "other" else ""
        return TokenRefused(known, f"{label} refuses to give a token{told}. {_where(grant)}")
    if _REDIRECT <= status < _CLIENT:
        return AskPerson(
            "redirect",
            f"{label} sends the request for a token elsewhere, which is not followed (status "
            f"{status}). Check the token URL. {_where(grant)}",
        )
    wait = asked_wait(headers, grant.vendor.manifest, datetime.now(UTC))
    why = "asks to be called less often" if status == _TOO_MANY else "gave no token"
    return TryLater(
        "no_token",
        f"{label} {why} (status {status}). {_where(grant)}",
        retry_after=wait if status in (_TOO_MANY, 503) else None,
    )


def _without_token(error: VendorError) -> VendorError:
    """The ending of a call for a token, as one of the call that needed it: nothing was sent."""
    if not isinstance(error, TryLater):
        return error
    return TryLater("no_token", f"No access token could be had. {error.message}")


def _stand_in(grant: Grant) -> Access:
    return Access(grant.credentials_id, grant.name, "oauth2")


def _where(grant: Grant) -> str:
    return f'Look at Configuration > Security > Credentials > "{grant.name}".'
