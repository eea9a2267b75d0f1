"""How credentials sign, in words; no secret is read for it."""

from __future__ import annotations

from integrations.manifest_parts import ApiKeyAuth
from integrations.models import Credentials
from integrations.registry import Vendor

NEVER_NAMED = (
    "The secret is added after everything else of the request was filled in, and only for the "
    "hosts of the vendor. No template can name it, and no page or run shows it."
)


def signing_words(vendor: Vendor, credentials: Credentials | None) -> str:
    """One sentence about these credentials, or about what the vendor takes. No query."""
    auth = vendor.manifest.auth
    if credentials is None:
        takes = " or ".join(kind.replace("_", " ") for kind in auth.types)
        return f"{vendor.label} takes credentials of the type {takes}. None are chosen yet."
    begins = f'The credentials "{credentials}" sign with'
    if credentials.type == Credentials.Type.API_KEY:
        return f"{begins} {_key_words(auth.api_key or ApiKeyAuth(), credentials)}."
    if credentials.type == Credentials.Type.BASIC:
        return f"{begins} a user name and a password, in the header Authorization."
    place = "as a parameter of the address"
    if credentials.settings.get("add_to") != "url":
        place = "in the header Authorization"
    return f"{begins} an access token {place}, which is renewed by itself."


def _key_words(spec: ApiKeyAuth, credentials: Credentials) -> str:
    if spec.sent_as == "basic_user_name":
        return "their key as the user name, in the header Authorization"
    name = credentials.settings.get("token_name") or spec.token_name
    where = credentials.settings.get("add_to") or spec.add_to[0]
    return f"their key in the {'address, as the parameter' if where == 'url' else 'header'} {name}"
