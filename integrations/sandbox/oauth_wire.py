"""How a token server of the sandbox reads requests and writes answers (RFC 6749)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from integrations.sandbox.messages import HTML, Answer, Request
from integrations.sandbox.vendor import RefusedError

FORM = "application/x-www-form-urlencoded"
CLIENT_NAME = "Rolecall"


def error(code: str, description: str, status: int = 400) -> RefusedError:
    """An error as RFC 6749 writes it, to be raised."""
    body = {"error": code, "error_description": description}
    return RefusedError(not_stored(Answer.of(body, status=status)))


def not_stored(answer: Answer) -> Answer:
    """The answer with the headers that answers with tokens have."""
    return answer.with_headers(Cache_Control="no-store", Pragma="no-cache")


def type_of(request: Request) -> str:
    """The media type of the body, without parameters."""
    return request.header("content-type").split(";")[0].strip().lower()


def form_of(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form; `invalid_request` for another format."""
    if type_of(request) != FORM:
        raise error("invalid_request", f"The body must be {FORM}")
    return parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)


def field_of(form: Mapping[str, list[str]], name: str) -> str:
    """A field, empty when it is not there; `invalid_request` when it is there twice."""
    values = form.get(name, [""])
    if len(values) > 1:
        raise error("invalid_request", f"{name} was sent twice")
    return values[0]


def from_basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of a Basic header, form-decoded as RFC 6749 wants; None for others."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote(client), unquote(secret)


def redirected(given: Mapping[str, str], **result: str) -> Answer:
    """Back to the client, with its state and what came of it."""
    address = given["redirect_uri"]
    values = {**result, **({"state": given["state"]} if given["state"] else {})}
    joint = "&" if urlsplit(address).query else "?"
    answer = Answer.nothing(302, Location=f"{address}{joint}{urlencode(values)}")
    return replace(answer, content_type=HTML)


def consent_page(given: Mapping[str, str], vendor: str, person: str) -> Answer:
    """The page that asks a person, with everything that the decision has to bring along."""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in given.items()
    )
    text = (
        f"<!DOCTYPE html><html lang='en'><head><title>{escape(vendor)}</title></head><body>"
        f"<h1>{CLIENT_NAME} asks for access</h1><p>Signed in as {escape(person)}.</p>"
        f'<form method="post">{hidden}'
        '<button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="deny">Deny</button></form></body></html>'
    )
    return Answer(200, text.encode(), HTML)
