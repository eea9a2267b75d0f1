"""Credentials on the wire: signing a request, after everything else of it was written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol
from urllib.parse import quote, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase, _basic_auth_str

from integrations.errors import AskPerson, did_you_mean
from integrations.manifest_parts import ApiKeyAuth, Auth

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9._~-]{1,100}")
_VISIBLE = re.compile(r"[\x20-\x7e]+")
_NO_KEY_HERE = (
    "host content-length content-type transfer-encoding connection cookie te trailer upgrade "
    "accept accept-encoding expect proxy-authorization"
)
_RESERVED_HEADERS = frozenset(_NO_KEY_HERE.split())


class Tokens(Protocol):
    """Access tokens of one set of credentials; every method may raise VendorError."""

    def current(self) -> str:
        """Give a token that is good for now; it is refreshed first when it is about to end."""

    def renew(self, refused: str) -> str:
        """Give another token than the one that the vendor refused; refreshes at most once."""


@dataclass(frozen=True)
class Access:
    """What a call needs of credentials; made for one run, never stored. Shows no secret."""

    credentials_id: int
    name: str
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    base_url: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    # Whether these are a row: then its pace is kept there, for all processes.
    is_row: bool = False
    # The account, where only a person can say it (M-1).
    tenant: str | None = None
    # OAuth 2.0: where the access token comes from (integrations/oauth.py).
    tokens: Tokens | None = field(default=None, repr=False)


class Signer(AuthBase):
    """Adds the secret to a prepared request; `requests` calls it last."""

    def __init__(
        self, *, header: tuple[str, str] | None, parameter: tuple[str, str] | None
    ) -> None:
        self._header = header
        self._parameter = parameter

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign; a header of the same name is replaced, never sent twice."""
        if self._header:
            name, value = self._header
            request.headers[name] = value
        if self._parameter:
            name, value = self._parameter
            separator = "&" if urlsplit(request.url or "").query else "?"
            request.url = f"{request.url}{separator}{name}={quote(value, safe='')}"
        return request

    def renew(self) -> bool:
        """A key cannot be replaced by itself."""
        return False

    def __repr__(self) -> str:
        return "Signer(...)"


class TokenSigner(Signer):
    """Adds an access token, asked for anew with each request."""

    def __init__(self, tokens: Tokens, *, prefix: str, parameter: str | None) -> None:
        super().__init__(header=None, parameter=None)
        self._tokens = tokens
        self._prefix = prefix
        self._name = parameter
        self._sent = ""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign. Raises VendorError when no token is to be had."""
        token = self._sent = self._tokens.current()
        if self._name:
            self._parameter = (self._name, token)
        else:
            self._header = ("Authorization", f"{self._prefix} {token}".strip())
        return super().__call__(request)

    def renew(self) -> bool:
        """Have the token replaced that was sent last."""
        self._tokens.renew(self._sent)
        return True


def lint_secret(auth: Auth, type_: str, value: str) -> str | None:
    """Give a warning about an API key that looks unusual (AH-05), or None."""
    lint = auth.api_key.lint if auth.api_key and type_ == "api_key" else None
    if lint is None or value.startswith(lint.starts_with):
        return None
    return lint.warning


def signer_for(auth: Auth, access: Access) -> Signer:
    """Make the signer. Raises AskPerson with code `credentials_invalid`, never with the secret."""
    if access.type == "api_key" and auth.api_key:
        return _sign_with_key(auth.api_key, access)
    if access.type == "basic" and auth.basic:
        return _basic(access, _secret(access, "username"), _secret(access, "password"))
    if access.type == "oauth2" and auth.oauth2 and access.tokens:
        in_url = access.settings.get("add_to", auth.oauth2.add_to[0]) == "url"
        prefix = str(access.settings.get("header_prefix", auth.oauth2.header_prefix))
        return TokenSigner(
            access.tokens, prefix=prefix, parameter="access_token" if in_url else None
        )
    known = auth.types
    return _refuse(
        access,
        f'this vendor takes no credentials of type "{access.type}"'
        f"{did_you_mean(access.type, known)}; it takes {' or '.join(known)}",
    )


def _sign_with_key(auth: ApiKeyAuth, access: Access) -> Signer:
    key = _secret(access, "value")
    if auth.sent_as == "basic_user_name":
        return _basic(access, key, auth.password)
    name = str(access.settings.get("token_name") or auth.token_name)
    add_to = str(access.settings.get("add_to") or auth.add_to[0])
    bare = _without_prefix(key, auth.prefix)
    if add_to == "url":
        if not _PARAMETER_NAME.fullmatch(name):
            _refuse(access, "the token name cannot be the name of a URL parameter")
        return Signer(header=None, parameter=(name, bare))
    if add_to != "header":
        _refuse(access, '"add to" is header or url')
    if not _HEADER_NAME.fullmatch(name) or name.casefold() in _RESERVED_HEADERS:
        _refuse(access, "the token name cannot be the name of a header that carries a key")
    # The prefix belongs to the vendor's own header; under another name the key goes as it is.
    is_own = name.casefold() == auth.token_name.casefold()
    return Signer(header=(name, f"{auth.prefix}{bare}" if is_own else key), parameter=None)


def _without_prefix(key: str, prefix: str) -> str:
    """Take the prefix off, however often and in whatever case it was typed."""
    word = prefix.strip()
    while word and key[: len(word) + 1].casefold() == f"{word} ".casefold():
        key = key[len(word) :].strip()
    return key


def _basic(access: Access, user: str, password: str) -> Signer:
    if ":" in user:
        _refuse(access, "a user name holds no colon")
    return Signer(header=("Authorization", _basic_auth_str(user, password)), parameter=None)


def _secret(access: Access, name: str) -> str:
    value = str(access.secrets.get(name) or "").strip()
    if not value:
        _refuse(access, f'the secret "{name}" is not set')
    if not _VISIBLE.fullmatch(value):
        _refuse(
            access,
            f'the secret "{name}" holds a sign that no key has; paste it again',
        )
    return value


def _refuse(access: Access, why: str) -> NoReturn:
    raise AskPerson(
        "credentials_invalid",
        f'Credentials "{access.name}": {why}. Change them under Configuration > Security > '
        "Credentials.",
    )
