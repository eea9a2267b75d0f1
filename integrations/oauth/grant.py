"""What OAuth 2.0 means for one set of credentials: the vendor's facts under its own settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.conf import settings as django_settings

from integrations.egress import check_url, listed_origin
from integrations.errors import AskPerson, VendorError
from integrations.manifest_parts import OAuth2Auth
from integrations.registry import Vendor

AUTHORIZATION_CODE, CLIENT_CREDENTIALS = "authorization_code", "client_credentials"
URLS = ("auth_url", "token_url", "refresh_url")
# What credentials may say for themselves; each replaces a fact of the vendor's folder.
SETTINGS = ("grant_type", *URLS, "scope", "client_authentication", "add_to", "header_prefix")
CLIENT = ("client_id", "client_secret")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "grant_type": (AUTHORIZATION_CODE, CLIENT_CREDENTIALS),
    "client_authentication": ("basic", "body"),
    "add_to": ("header", "url"),
}
_PREFIX = re.compile(r"[A-Za-z0-9_.~+/-]{0,40}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e ]*")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True)
class Grant:
    """Everything about the walk to a token but the secrets. `lifetime` is seconds, or None."""

    vendor: Vendor = field(repr=False)
    credentials_id: int
    name: str
    grant_type: str
    auth_url: str
    token_url: str
    refresh_url: str
    scope: str
    client_authentication: str
    sent_as: str
    lifetime: int | None
    pkce: bool

    @property
    def needs_consent(self) -> bool:
        """Say whether a person has to agree on the vendor's page."""
        return self.grant_type == AUTHORIZATION_CODE

    def endpoint(self, name: str) -> str:
        """Give a checked address: `auth_url`, `token_url` or `refresh_url`. Raises AskPerson."""
        url = str(getattr(self, name)) or (self.token_url if name == "refresh_url" else "")
        if not url:
            words = name.replace("_url", " URL")
            _refuse(self.name, f"the {words} is not set, and the vendor's folder does not know it")
        check_endpoint(url, self.vendor)
        return url


def read_grant(
    vendor: Vendor, settings: Mapping[str, Any], *, credentials_id: int, name: str
) -> Grant:
    """Put the settings over the vendor's facts. Raises AskPerson (`credentials_invalid`)."""
    auth = vendor.manifest.auth.oauth2
    if auth is None:
        _refuse(name, f"{vendor.label} takes no OAuth 2.0")
    problems = mistakes_in(vendor, settings)
    if problems:
        _refuse(name, "; ".join(f"{key} {why}" for key, why in problems.items()))
    facts = {**facts_of(auth), **{key: value for key, value in settings.items() if value}}
    return Grant(
        vendor=vendor,
        credentials_id=credentials_id,
        name=name,
        sent_as=auth.sent_as,
        lifetime=auth.lifetime,
        pkce=auth.pkce,
        **{key: facts[key] for key in SETTINGS if key not in {"add_to", "header_prefix"}},
    )


def facts_of(auth: OAuth2Auth) -> dict[str, str]:
    """Give what the vendor's folder says for each setting; the first where it knows several."""
    facts = {key: getattr(auth, key) for key in (*URLS, "scope", "client_authentication")}
    return {
        "grant_type": auth.grant_types[0],
        **facts,
        "add_to": auth.add_to[0],
        "header_prefix": auth.header_prefix,
    }


def mistakes_in(vendor: Vendor, settings: Mapping[str, Any]) -> dict[str, str]:
    """Give what is wrong with settings, by name, as the rest of a sentence. No query."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        why = _mistake(vendor, key, value)
        if why:
            found[key] = why
    return found


def check_endpoint(url: str, vendor: Vendor) -> None:
    """Refuse an address that the client's secret must not go to. Raises AskPerson."""
    auth = vendor.manifest.auth.oauth2
    hosts = [*vendor.manifest.hosts, *(auth.hosts if auth else ())]
    check_url(
        url,
        vendor_hosts=[_PLACEHOLDER.sub("*", host) for host in hosts],
        extra_hosts=listed_origin(url, django_settings.EGRESS_EXTRA_HOSTS),
        allow_http=django_settings.EGRESS_ALLOW_HTTP,
    )


def _mistake(vendor: Vendor, key: str, value: Any) -> str:
    if not isinstance(value, str):
        return "must be text"
    if key in _CHOICES:
        known = _CHOICES[key]
        return "" if not value or value in known else f"is {' or '.join(known)}"
    if key == "header_prefix" and not _PREFIX.fullmatch(value):
        return "is one word, such as Bearer"
    if key == "scope" and not _SCOPE.fullmatch(value):
        return "holds words with single spaces between them"
    if key in URLS and value:
        try:
            check_endpoint(value, vendor)
        except VendorError as problem:
            return problem.message.removeprefix("The call was not sent: ")
    return ""


def _refuse(name: str, why: str) -> NoReturn:
    raise AskPerson(
        "credentials_invalid",
        f'Credentials "{name}": {why}. Change them under Configuration > Security > Credentials.',
    )
