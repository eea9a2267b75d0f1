"""A token server beside a vendor's API: consent page, codes, tokens that end, rotate, get revoked.

After RFC 6749 (grants, errors) and RFC 7636 (S256). A vendor's side that inherits from `OAuthSide`
has it below `/oauth` of its name, outside of the API's base path.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.oauth_store import Code, Grant, TokenStore
from integrations.sandbox.oauth_wire import (
    consent_page,
    error,
    field_of,
    form_of,
    from_basic,
    not_stored,
    redirected,
    type_of,
)
from integrations.sandbox.vendor import RefusedError, Settings, StateChange, VendorSide

AUTHORIZE = "/oauth/authorize"
TOKEN = "/oauth/token"  # noqa: S105 - a path
RECORD = "oauth"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "testserver", "::1"})
PAGE_FIELDS = ("client_id", "redirect_uri", "state", "scope", "code_challenge")

OAUTH_SETTINGS: Settings = {
    "access_seconds": 3600,  # life of an access token
    "refresh_seconds": 30 * 86_400,  # life of a refresh token from its issue
    "code_seconds": 300,
    "rotate": False,  # a new refresh token with each refresh; the old one again ends the family
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "client_authentication": "any",  # basic, body
    "sent_as": "form",  # json
    "redirect_uris": None,  # null: any address of this machine; else exactly these
    "scope": "",
}


class TokenServer:
    """The token server of one vendor's side; called while the side's lock is held."""

    def __init__(self, side: VendorSide, principal: Callable[[], str]) -> None:
        self.side = side
        self.principal = principal
        self.store = TokenStore(side.secret)
        self.client_id = side.secret("client-id")
        self.client_secret = side.secret("client-secret")
        self.imported = side.secret("refresh-token")
        self._direct = ""
        self.store.add_grant(self._now(), side.settings["scope"], refresh=self.imported)

    # What tests and the control calls do.

    def direct_token(self) -> str:
        """An access token that is good now, for requests without a client; in no ledger."""
        token = self.store.access.get(self._direct)
        if token is None or token.ends <= self._now():
            self._direct = self.store.add_access(self._now(), self._access_ends(), "")
        return self._direct

    def is_good(self, token: str) -> bool:
        """Whether calls may be made with this access token now."""
        known = self.store.access.get(token)
        return known is not None and known.ends > self._now()

    def expire_access_tokens(self) -> None:
        """Let every access token end now; the grants stay."""
        self.store.access.clear()

    def revoke_grants(self) -> None:
        """Take every consent back, as an admin of the vendor can; in no ledger."""
        for grant in self.store.grants.values():
            self.store.revoke(grant)

    # The requests.

    def answer(self, request: Request) -> Answer:
        """Answer a request below `/oauth`."""
        calls = {
            ("GET", AUTHORIZE): self._show_consent,
            ("POST", AUTHORIZE): self._decide,
            ("POST", TOKEN): self._issue,
        }
        call = calls.get((request.method, request.path))
        if call is None:
            return Answer.page(404, "Not found")
        try:
            return call(request)
        except RefusedError as refused:
            self.store.counts["refused"] += 1
            return refused.answer

    def _show_consent(self, request: Request) -> Answer:
        given = {name: request.parameter(name) or "" for name in PAGE_FIELDS}
        self._check_client(given)
        if request.parameter("response_type") != "code":
            return redirected(given, error="unsupported_response_type")
        if given["code_challenge"] and request.parameter("code_challenge_method") != "S256":
            return redirected(given, error="invalid_request")
        return consent_page(given, self.side.name, self.principal())

    def _decide(self, request: Request) -> Answer:
        given = {name: field_of(form_of(request), name) for name in (*PAGE_FIELDS, "decision")}
        self._check_client(given)
        if given["decision"] != "allow":
            return redirected(given, error="access_denied")
        code = self.store.new_secret("code")
        self.store.codes[code] = Code(
            redirect_uri=given["redirect_uri"],
            ends=self._now() + self.side.settings["code_seconds"],
            scope=given["scope"] or self.side.settings["scope"],
            challenge=given["code_challenge"],
        )
        self.store.counts["codes"] += 1
        return redirected(given, code=code)

    def _check_client(self, given: Mapping[str, str]) -> None:
        """A page, never a redirect, for a client or an address that is not registered."""
        if given["client_id"] != self.client_id:
            raise RefusedError(Answer.page(400, "This client is not known"))
        known = self.side.settings["redirect_uris"]
        address = given["redirect_uri"]
        is_here = urlsplit(address).hostname in LOOPBACK
        if not (is_here if known is None else address in known):
            raise RefusedError(Answer.page(400, "This redirect address is not registered"))

    def _issue(self, request: Request) -> Answer:
        form = self._read(request)
        self._check_secret(request, form)
        kind = field_of(form, "grant_type")
        grants = {
            "authorization_code": self._exchange_code,
            "refresh_token": self._refresh,
            "client_credentials": self._for_client,
        }
        if kind not in grants:
            raise error("unsupported_grant_type", "This grant type does not exist")
        if kind not in self.side.settings["grant_types"]:
            raise error("unauthorized_client", "This client may not use this grant type")
        return not_stored(Answer.of(grants[kind](form)))

    def _exchange_code(self, form: Mapping[str, list[str]]) -> dict[str, Any]:
        code = self.store.codes.get(field_of(form, "code"))
        if code is None:
            raise error("invalid_grant", "The code is not known")
        if code.grant:
            self._revoke_family(self.store.grants[code.grant])
            raise error("invalid_grant", "The code was used before")
        if code.ends <= self._now():
            raise error("invalid_grant", "The code is too old")
        if field_of(form, "redirect_uri") != code.redirect_uri:
            raise error("invalid_grant", "The redirect address is another one")
        if not code.is_proven_by(field_of(form, "code_verifier")):
            raise error("invalid_grant", "The verifier does not fit the challenge")
        grant = self.store.add_grant(self._now(), code.scope)
        code.grant = grant.id
        self._note("token.issue", grant.id)
        return self._tokens(grant, with_refresh=True)

    def _refresh(self, form: Mapping[str, list[str]]) -> dict[str, Any]:
        grant, is_spent = self.store.grant_of(field_of(form, "refresh_token"))
        if grant is None or grant.revoked:
            raise error("invalid_grant", "The refresh token is not known or was revoked")
        if is_spent:
            self._revoke_family(grant)
            raise error("invalid_grant", "The refresh token was replaced before")
        if grant.issued + self.side.settings["refresh_seconds"] <= self._now():
            raise error("invalid_grant", "The refresh token is too old")
        rotate = self.side.settings["rotate"]
        if rotate:
            self.store.rotate(grant, self._now())
        self._note("token.refresh", grant.id)
        return self._tokens(grant, with_refresh=rotate)

    def _for_client(self, form: Mapping[str, list[str]]) -> dict[str, Any]:
        scope = field_of(form, "scope") or self.side.settings["scope"]
        self._note("token.client_credentials", "client")
        return self._access(scope, "")

    def _tokens(self, grant: Grant, *, with_refresh: bool) -> dict[str, Any]:
        refresh = {"refresh_token": grant.refresh} if with_refresh else {}
        person = {"principal": self.principal()}
        return {**self._access(grant.scope, grant.id), **refresh, **person}

    def _access(self, scope: str, grant: str) -> dict[str, Any]:
        return {
            "access_token": self.store.add_access(self._now(), self._access_ends(), grant),
            "token_type": "Bearer",
            "expires_in": self.side.settings["access_seconds"],
            "scope": scope,
        }

    def _revoke_family(self, grant: Grant) -> None:
        if not grant.revoked:
            self.store.revoke(grant)
            self._note("token.family_revoked", grant.id)

    def _note(self, op: str, target: str) -> None:
        self.store.counts[op] += 1
        self.side.commit(op, key=self.principal(), target=target, names=[])

    def _read(self, request: Request) -> Mapping[str, list[str]]:
        """The fields of a token request. Anything but the vendor's own format is refused."""
        if self.side.settings["sent_as"] == "form":
            return form_of(request)
        try:
            body = request.json() if type_of(request) == JSON else None
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise error("invalid_request", "The body must be a JSON object")
        return {name: [str(value)] for name, value in body.items()}

    def _check_secret(self, request: Request, form: Mapping[str, list[str]]) -> None:
        """401 `invalid_client` unless the client says who it is in a way that is allowed."""
        way = self.side.settings["client_authentication"]
        header = request.header("authorization")
        by_basic = from_basic(header)
        by_body = (field_of(form, "client_id"), field_of(form, "client_secret"))
        right = (self.client_id, self.client_secret)
        if way != "body" and by_basic == right and not by_body[1]:
            return
        if way != "basic" and by_body == right and not header:
            return
        answer = error("invalid_client", "Unknown client, or wrong secret", 401).answer
        raise RefusedError(answer.with_headers(WWW_Authenticate="Basic") if header else answer)

    def _now(self) -> float:
        return self.side.world.now().timestamp()

    def _access_ends(self) -> float:
        return self._now() + float(self.side.settings["access_seconds"])


class OAuthSide(VendorSide):
    """A vendor's side with a token server; the record `oauth` changes it from outside.

    `{"id": "oauth", "set": {"expire_access_tokens": true}}`, or `revoke_grants`.
    """

    oauth_settings: ClassVar[Settings] = {}

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.settings.update({**OAUTH_SETTINGS, **self.oauth_settings})
        self.oauth = TokenServer(self, self.principal)

    def principal(self) -> str:
        """E-mail of the person who gives consent."""
        raise NotImplementedError

    def aside(self, request: Request) -> Answer | None:
        """The token server's answers, without the API's signature and rate."""
        return self.oauth.answer(request) if request.path.startswith("/oauth/") else None

    def addresses(self) -> dict[str, str]:
        """Where consent page and token endpoint are, below the vendor's name."""
        return {"auth_url": AUTHORIZE, "token_url": TOKEN}

    def apply(self, change: StateChange) -> list[str]:
        """Change the world from outside; also the token server's."""
        acts = {
            "expire_access_tokens": self.oauth.expire_access_tokens,
            "revoke_grants": self.oauth.revoke_grants,
        }
        wanted = [name for one in change.change if one.id == RECORD for name in one.set]
        for name in wanted:
            if name not in acts:
                raise ValueError(f"The record {RECORD!r} knows {', '.join(acts)}, not {name!r}")
        rest = [one for one in change.change if one.id != RECORD]
        with self.lock:
            added = super().apply(change.model_copy(update={"change": rest}))
            for name in wanted:
                acts[name]()
        return added

    def dump(self) -> dict[str, Any]:
        """Settings, records, and tokens with their counts under `oauth`."""
        with self.lock:
            return {**super().dump(), RECORD: self.oauth.store.kept()}

    def restore(self, dumped: dict[str, Any]) -> None:
        """Take over what `dump` gave."""
        with self.lock:
            records = dict(dumped)
            self.oauth.store.keep(records.pop(RECORD))
            super().restore(records)
