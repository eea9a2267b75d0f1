"""Credentials on the wire: right, exactly once, and never shown."""

import base64
from typing import Any

import pytest

from integrations.auth import Access, lint_secret
from integrations.errors import AskPerson
from integrations.registry import get_vendor
from tests.integrations.language.conftest import SECRET, CallVendor
from tests.integrations.language.server import json_reply


def me(_seen: Any) -> Any:
    return json_reply({"user": {"id": "77"}})


@pytest.mark.parametrize(
    "stored",
    [SECRET, f"Bearer {SECRET}", f"bearer {SECRET}", f"Bearer  Bearer {SECRET} ", f" {SECRET}\n"],
)
def test_a_key_is_sent_as_bearer_exactly_once(call_vendor: CallVendor, stored: str):
    """AH-04: whether or not the stored value has the word."""
    called = call_vendor(me, secrets={"value": stored})

    called.client.test()

    assert called.server.seen[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_a_key_can_be_a_url_parameter(call_vendor: CallVendor):
    called = call_vendor(
        me,
        secrets={"value": f"Bearer {SECRET}&x=/+"},
        settings={"token_name": "access_token", "add_to": "url"},
    )

    called.client.call("GET", "me", params={"q": "a b"})

    assert called.server.targets == [f"/api/v1/me?q=a%20b&access_token={SECRET}%26x%3D%2F%2B"]
    assert "Authorization" not in called.server.seen[0].headers


def test_a_key_under_another_header_goes_as_it_is_stored(call_vendor: CallVendor):
    called = call_vendor(me, settings={"token_name": "X-Api-Key", "add_to": "header"})

    called.client.test()

    assert called.server.seen[0].headers["X-Api-Key"] == SECRET
    assert "Authorization" not in called.server.seen[0].headers


@pytest.mark.parametrize(
    ("type_", "secrets", "expected"),
    [
        ("api_key", {"value": SECRET}, f"{SECRET}:x"),
        ("basic", {"username": SECRET, "password": "any"}, f"{SECRET}:any"),
    ],
)
def test_a_bamboohr_key_is_the_user_name_of_basic(
    call_vendor: CallVendor, type_: str, secrets: dict[str, str], expected: str
):
    called = call_vendor(
        lambda _seen: json_reply({"id": "40"}), vendor="bamboohr", type=type_, secrets=secrets
    )

    called.client.test()

    word, _, encoded = called.server.seen[0].headers["Authorization"].partition(" ")
    assert word == "Basic"
    assert base64.b64decode(encoded).decode() == expected


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"secrets": {}}, '"value" is not set'),
        ({"secrets": {"value": "  "}}, '"value" is not set'),
        ({"secrets": {"value": f"{SECRET}\r\nX: y"}}, "no key has"),
        ({"secrets": {"value": f"{SECRET}\x00"}}, "no key has"),
        ({"secrets": {"value": f"{SECRET}é"}}, "no key has"),
        ({"type": "oauth2"}, "no credentials of type"),
        ({"type": "basic"}, "no credentials of type"),
        ({"type": "api-key"}, 'Did you mean "api_key"?'),
        ({"settings": {"add_to": "body"}}, "header or url"),
        ({"settings": {"token_name": "Host"}}, "name of a header"),
        ({"settings": {"token_name": "Cookie"}}, "name of a header"),
        ({"settings": {"token_name": "X-Key\r\nHost"}}, "name of a header"),
        ({"settings": {"token_name": "a&b", "add_to": "url"}}, "URL parameter"),
    ],
)
def test_credentials_that_cannot_be_sent_are_refused_without_showing_them(
    call_vendor: CallVendor, changes: dict[str, Any], says: str
):
    with pytest.raises(AskPerson) as caught:
        call_vendor(me, **changes)

    assert caught.value.code == "credentials_invalid"
    assert says in caught.value.message
    assert 'Credentials "Production"' in caught.value.message
    assert SECRET not in repr(caught.value)


def test_a_key_without_the_word_bearer_gives_a_warning():
    """AH-05."""
    auth = get_vendor("aha").manifest.auth

    assert "Bearer" in (lint_secret(auth, "api_key", SECRET) or "")
    assert lint_secret(auth, "api_key", f"Bearer {SECRET}") is None
    assert lint_secret(get_vendor("bamboohr").manifest.auth, "api_key", SECRET) is None


def test_access_does_not_show_its_secrets():
    access = Access(1, "Production", "api_key", {}, {"value": SECRET})

    assert SECRET not in repr(access)
    assert SECRET not in str(access)
