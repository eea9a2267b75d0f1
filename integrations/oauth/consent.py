"""The walk over the vendor's consent page: out with a state, back with a code, home with tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from integrations.errors import ConsentFailed, TokenRefused, VendorError
from integrations.models import Credentials
from integrations.oauth.endpoint import Granted, ask_for_token
from integrations.oauth.grant import CLIENT, CLIENT_CREDENTIALS, Grant, read_grant
from integrations.oauth.lease import NO_LEASE
from integrations.oauth.tokens import DatabaseTokens, ends_in, put_tokens
from integrations.registry import get_vendor
from integrations.secrets import open_sealed, seal
from integrations.sync.lease import now_in_database
from people.masking import register_secret

LASTS_SECONDS = 10 * 60
_KEY = "oauth_consents"
_MOST_OPEN = 5
_LONGEST = 4096
_AGAIN = "Press Connect again."
_DENIED = frozenset({"access_denied", "consent_required", "interaction_required"})

Session = MutableMapping[str, Any]


def redirect_uri() -> str:
    """The one address to which every vendor sends people back; it is given to its client."""
    return f"{settings.PUBLIC_URL}{reverse('admin:integrations_credentials_oauth_callback')}"


def grant_of(row: Credentials) -> Grant:
    """What holds for a row. Raises AskPerson (`credentials_invalid`). No query."""
    vendor = get_vendor(row.vendor).corrected(row.overrides)
    return read_grant(vendor, row.settings, credentials_id=row.pk, name=row.name)


def begin(session: Session, row: Credentials, *, user_id: int, now: datetime) -> str:
    """Give the address of the vendor's consent page for this session and user. One query.

    The state that it carries is random, good once and for ten minutes; the session keeps only its
    hash. Raises AskPerson where settings or secrets lack something.
    """
    grant = grant_of(row)
    client = _client(row)
    url = grant.endpoint("auth_url")
    grant.endpoint("token_url")  # said now, not when the person comes back
    state = secrets.token_urlsafe(32)
    asked = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": redirect_uri(),
        "state": state,
    }
    if grant.scope:
        asked["scope"] = grant.scope
    if grant.pkce:
        digest = hashlib.sha256(_verifier(state).encode()).digest()
        asked |= {"code_challenge": _text(digest), "code_challenge_method": "S256"}
    open_ones = dict(session.get(_KEY) or {})
    open_ones[_hash(state)] = [row.pk, user_id, now.timestamp() + LASTS_SECONDS]
    session[_KEY] = dict(list(open_ones.items())[-_MOST_OPEN:])
    return _with_parameters(url, asked)


def finish(
    session: Session, answer: Mapping[str, str], *, user_id: int, by: str, now: datetime
) -> Credentials:
    """Turn what the vendor sent back into tokens, and store them; gives the credentials.

    The state is used up whatever comes of it. Not to be called in a transaction. Raises
    ConsentFailed with a sentence; then nothing was stored. About ten queries.
    """
    row, state = _take_state(session, answer, user_id=user_id, now=now)
    if "error" in answer or not answer.get("code"):
        declined = answer.get("error") in _DENIED
        why = "Access was not granted at the vendor" if declined else "The vendor gave no code"
        raise ConsentFailed(f"{why}, so nothing was changed. {_AGAIN}", row.pk)
    code = answer["code"][:_LONGEST]
    register_secret(code)
    try:
        granted = _exchange(row, code, state)
    except TokenRefused as problem:
        raise ConsentFailed(f"Not connected. {_advice(problem.reason)}", row.pk) from None
    except VendorError as problem:
        raise ConsentFailed(f"Not connected. {problem.message} {_AGAIN}", row.pk) from None
    return connect(row.pk, granted, by=by)


def connect(credentials_id: int, granted: Granted, *, by: str) -> Credentials:
    """Store the tokens of a new grant in the place of all older ones. Six queries."""
    with transaction.atomic():
        row = Credentials.objects.select_for_update().filter(pk=credentials_id).first()
        if row is None:
            raise ConsentFailed("The credentials were deleted meanwhile.")
        seal(row, {}, by=by, without=("access_token", "refresh_token"))
        put_tokens(row, granted, by=by)
        row.reconnect_since = None
        row.test_state, row.test_message = Credentials.Test.UNTESTED, ""
        row.updated_at = timezone.now()
        row._change_reason = f"Connected by {by}"[:100]  # type: ignore[attr-defined]
        row.save(
            update_fields=[
                "sealed", "hints", "reconnect_since", "test_state", "test_message", "updated_at"
            ]
        )  # fmt: skip
        # The raised fence keeps out whoever is refreshing the old grant at this moment.
        Credentials.objects.filter(pk=row.pk).update(
            token_expires_at=ends_in(granted),
            refreshed_at=now_in_database(),
            token_fence=F("token_fence") + 1,
            **NO_LEASE,
        )
    return row


def connect_without_consent(row: Credentials) -> None:
    """Get a token in the client's own name (client_credentials), also after a refusal.

    Raises VendorError. About six queries.
    """
    Credentials.objects.filter(pk=row.pk).update(
        reconnect_since=None, test_state=Credentials.Test.UNTESTED, test_message=""
    )
    DatabaseTokens(row).refresh(unless_since=timezone.now())


def needs_consent(row: Credentials) -> bool:
    """Say whether a person connects these on the vendor's page. No query."""
    chosen = row.settings.get("grant_type")
    if not chosen:
        auth = get_vendor(row.vendor).manifest.auth.oauth2
        chosen = auth.grant_types[0] if auth else ""
    return bool(chosen != CLIENT_CREDENTIALS)


def _take_state(
    session: Session, answer: Mapping[str, str], *, user_id: int, now: datetime
) -> tuple[Credentials, str]:
    state = answer.get("state") or ""
    open_ones = dict(session.get(_KEY) or {})
    found = open_ones.pop(_hash(state), None)
    session[_KEY] = open_ones
    if found is None:
        _refuse_state("This answer belongs to no Connect of this session, or was used before")
    credentials_id, whose, until = found
    if whose != user_id:
        _refuse_state("Somebody else pressed Connect in this browser")
    if now.timestamp() > until:
        _refuse_state("It took longer than ten minutes", credentials_id)
    row = Credentials.objects.filter(pk=credentials_id).first()
    if row is None or row.type != Credentials.Type.OAUTH2:
        _refuse_state("The credentials were deleted meanwhile")
    return row, state


def _refuse_state(why: str, credentials_id: int | None = None) -> NoReturn:
    raise ConsentFailed(f"{why}, so nothing was changed. {_AGAIN}", credentials_id)


def _exchange(row: Credentials, code: str, state: str) -> Granted:
    grant = grant_of(row)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(),
        "code_verifier": _verifier(state) if grant.pkce else "",
    }
    return ask_for_token(grant, grant.endpoint("token_url"), fields, _client(row))


def _client(row: Credentials) -> dict[str, str]:
    stored = open_sealed(row)
    missing = [name for name in CLIENT if not stored.get(name)]
    if missing:
        words = " and ".join(name.replace("_id", " ID").replace("_", " ") for name in missing)
        raise ConsentFailed(f"Enter and save the {words} first.", row.pk)
    return {name: stored[name] for name in CLIENT}


def _advice(reason: str) -> str:
    words = {
        "invalid_client": "The vendor knows no client with this ID and secret: enter both again.",
        "unauthorized_client": "The vendor does not let this client ask for tokens in this way.",
        "invalid_scope": "The vendor's client does not have the scope that is asked for.",
        "invalid_grant": "The code was used before, or is too old.",
    }
    return f"{words.get(reason, 'The vendor refused to give tokens.')} {_AGAIN}"


def _verifier(state: str) -> str:
    """The proof key of a state; only this installation can make it, and nothing stores it."""
    key = settings.SECRET_KEY.encode()
    return _text(hmac.new(key, f"oauth-verifier:{state}".encode(), hashlib.sha256).digest())


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    known = [(name, value) for name, value in parse_qsl(parts.query) if name not in parameters]
    query = urlencode([*known, *parameters.items()], quote_via=quote, safe="")
    return urlunsplit(parts._replace(query=query))
