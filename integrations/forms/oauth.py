"""The fields of OAuth 2.0 on the form of credentials; empty means: as the vendor's folder says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.oauth.grant import SETTINGS, facts_of
from integrations.registry import Vendor

_LONGEST = 500
_LABELS = {
    "grant_type": "Grant type",
    "auth_url": "Consent page (auth URL)",
    "token_url": "Token URL",
    "refresh_url": "Refresh URL",
    "scope": "Scope",
    "client_authentication": "Client authentication",
    "add_to": "Add to",
    "header_prefix": "Header prefix",
}
_HELP = {
    "grant_type": "How a token is had: a person agrees on the vendor's page, or the client asks in "
    "its own name.",
    "auth_url": "Where Connect leads to.",
    "token_url": "Where a code is turned into tokens. Its host must be one of the vendor's, or be "
    "listed in EGRESS_EXTRA_HOSTS.",
    "refresh_url": "Where tokens are renewed; empty: at the token URL.",
    "scope": "What is asked for, words with spaces between them. After a change press Connect "
    "again.",
    "client_authentication": "How client ID and client secret travel to the token URL.",
    "add_to": "Where the access token travels in each request.",
    "header_prefix": "The word before the token in the header Authorization.",
}
_WORDS = {
    "authorization_code": "Authorization code (with consent page)",
    "client_credentials": "Client credentials (without)",
    "basic": "Basic header",
    "body": "In the body",
    "header": "Header",
    "url": "URL",
}


def oauth_fields(vendor: Vendor) -> dict[str, forms.Field]:
    """One field per setting, filled in with what the vendor's folder knows. No query."""
    auth = vendor.manifest.auth.oauth2
    if auth is None:
        return {}
    facts = facts_of(auth)
    choices: dict[str, tuple[str, ...]] = {
        "grant_type": ("authorization_code", "client_credentials"),
        "client_authentication": ("basic", "body"),
        "add_to": ("header", "url"),
    }
    fields: dict[str, forms.Field] = {}
    for name in SETTINGS:
        given: dict[str, Any] = {
            "label": _LABELS[name],
            "initial": facts[name],
            "help_text": _help(name, facts[name], vendor),
            "required": False,
        }
        if name in choices:
            words = [(one, _WORDS[one]) for one in choices[name]]
            fields[name] = forms.ChoiceField(
                choices=words, widget=UnfoldAdminSelectWidget(), **given
            )
        else:
            widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
            fields[name] = forms.CharField(max_length=_LONGEST, widget=widget, **given)
    return fields


def own_settings(vendor: Vendor, cleaned: Mapping[str, Any]) -> dict[str, str]:
    """What of the form differs from the vendor's folder, which may be corrected later. No query."""
    auth = vendor.manifest.auth.oauth2
    facts = facts_of(auth) if auth else {}
    return {
        name: value
        for name in SETTINGS
        if (value := str(cleaned.get(name) or "").strip()) and value != facts.get(name)
    }


def _help(name: str, fact: str, vendor: Vendor) -> str:
    if name in {"grant_type", "client_authentication", "add_to"}:
        return _HELP[name]
    if fact:
        return f"{_HELP[name]} {vendor.label} expects {fact}; change it only if yours differs."
    return _HELP[name]
