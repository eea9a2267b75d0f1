"""Connect: out to the vendor's consent page with a state, and home with tokens, once (MO-13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import Credentials
from integrations.secrets import open_sealed
from tests.integrations.admin.pages import messages_of, save, text_of
from tests.integrations.oauth.conftest import TokenWorld

pytestmark = pytest.mark.django_db(transaction=True)
CALLBACK = "/admin/integrations/credentials/oauth/callback/"


def page_of(row: Credentials) -> str:
    return reverse("admin:integrations_credentials_change", args=(row.pk,))


def begin(client: Client, row: Credentials) -> str:
    """Press Connect; gives the address of the vendor's page."""
    answer = client.post(reverse("admin:integrations_credentials_connect", args=(row.pk,)))
    assert answer.status_code == 200, messages_of(client, answer)
    found = re.search(r'href="(http[^"]+/oauth/authorize[^"]*)"', answer.content.decode())
    assert found is not None
    return unescape(found[1])


def decide(url: str, decision: str = "allow") -> str:
    """Press a button on the vendor's page; gives the address that it sends back to, as a path."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    answer = requests.post(
        url.partition("?")[0],
        data={**given, "decision": decision},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code in (302, 303), answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def stored(row: Credentials) -> dict[str, str]:
    return open_sealed(Credentials.objects.get(pk=row.pk))


def test_somebody_who_agrees_is_connected(world: TokenWorld, admin_page: Client):
    row = world.waiting()

    url = begin(admin_page, row)
    answer = admin_page.get(decide(url))

    told = messages_of(admin_page, answer)
    assert answer["Location"] == page_of(row)
    assert "is connected" in told[0]
    assert "Press Test" in told[0]
    assert world.oauth.is_good(stored(row)["access_token"])
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"http://127.0.0.1:8000{CALLBACK}"]
    assert len(asked["state"][0]) > 40
    assert row.history.first().history_change_reason == "Connected by it-admin"


def test_connecting_again_ends_the_need_to_reconnect(world: TokenWorld, admin_page: Client):
    row = world.waiting()
    Credentials.objects.update(reconnect_since=timezone.now(), test_state="failed")

    admin_page.get(decide(begin(admin_page, row)))

    again = Credentials.objects.get(pk=row.pk)
    assert again.reconnect_since is None
    assert again.test_state == "untested"


def test_the_test_button_works_after_connecting(world: TokenWorld, admin_page: Client):
    row = world.waiting()
    admin_page.get(decide(begin(admin_page, row)))

    answer = admin_page.post(
        reverse("admin:integrations_credentials_test", args=(row.pk,)),
        {"input_account_key": world.sandbox.state["goto"].inputs()["account_key"]},
    )

    assert "Connected to GoTo" in messages_of(admin_page, answer)[-1]


def refused(client: Client, path: str) -> str:
    answer = client.get(path)
    return messages_of(client, answer)[-1]


def test_who_declines_changes_nothing(world: TokenWorld, admin_page: Client):
    row = world.waiting()
    before = stored(row)

    told = refused(admin_page, decide(begin(admin_page, row), "deny"))

    assert told == (
        "Access was not granted at the vendor, so nothing was changed. Press Connect again."
    )
    assert stored(row) == before


def test_an_answer_is_taken_once(world: TokenWorld, admin_page: Client):
    row = world.waiting()
    back = decide(begin(admin_page, row))
    admin_page.get(back)
    before = stored(row)

    told = refused(admin_page, back)

    assert "was used before" in told
    assert stored(row) == before
    assert world.count("token.family_revoked") == 0


@pytest.mark.parametrize("state", ["", "made-up", "x" * 5000])
def test_a_state_that_nobody_gave_is_refused(world: TokenWorld, admin_page: Client, state: str):
    """S-16: nobody can be led to connect somebody else's account."""
    row = world.waiting()
    code = parse_qs(urlsplit(decide(begin(admin_page, row))).query)["code"][0]

    told = refused(admin_page, f"{CALLBACK}?{urlencode({'code': code, 'state': state})}")

    assert "nothing was changed" in told
    assert "refresh_token" not in stored(row)


def test_a_state_of_another_session_is_refused(
    world: TokenWorld, admin_page: Client, it_admin: User, open_as: Callable[[User], Client]
):
    row = world.waiting()
    back = decide(begin(admin_page, row))

    told = refused(open_as(it_admin), back)

    assert "belongs to no Connect of this session" in told
    assert "refresh_token" not in stored(row)


def test_a_state_of_another_user_in_the_same_browser_is_refused(
    world: TokenWorld, admin_page: Client
):
    row = world.waiting()
    back = decide(begin(admin_page, row))
    session = admin_page.session
    session["oauth_consents"] = {
        key: [row_id, user + 1, until]
        for key, (row_id, user, until) in session["oauth_consents"].items()
    }
    session.save()

    assert "Somebody else" in refused(admin_page, back)
    assert "refresh_token" not in stored(row)


def test_who_was_signed_out_meanwhile_takes_no_code_to_the_login_page(
    world: TokenWorld, admin_page: Client
):
    """S-06: a code in the address of the login page would stand in it, and in the history."""
    row = world.waiting()
    back = decide(begin(admin_page, row))
    code = parse_qs(urlsplit(back).query)["code"][0]

    answer = Client().get(back, follow=True)

    assert answer.status_code == 200
    assert "log in" in text_of(answer).casefold()
    assert code not in answer.content.decode()
    assert not any(code in url for url, _status in answer.redirect_chain)
    assert "access_token" not in stored(row)


def test_an_answer_after_ten_minutes_is_refused(world: TokenWorld, admin_page: Client):
    row = world.waiting()
    back = decide(begin(admin_page, row))
    session = admin_page.session
    past = (timezone.now() - timedelta(seconds=1)).timestamp()
    session["oauth_consents"] = {
        key: [row_id, user, past]
        for key, (row_id, user, _until) in session["oauth_consents"].items()
    }
    session.save()

    assert "longer than ten minutes" in refused(admin_page, back)
    assert "refresh_token" not in stored(row)


@pytest.mark.parametrize("answer", [{"error": "server_error"}, {"error": "<b>x</b>"}, {}])
def test_an_answer_without_a_code_is_told_in_our_words(
    world: TokenWorld, admin_page: Client, answer: dict[str, str]
):
    row = world.waiting()
    state = parse_qs(urlsplit(begin(admin_page, row)).query)["state"][0]

    told = refused(admin_page, f"{CALLBACK}?{urlencode({**answer, 'state': state})}")

    assert told == "The vendor gave no code, so nothing was changed. Press Connect again."


def test_the_session_holds_neither_state_nor_proof(world: TokenWorld, admin_page: Client):
    row = world.waiting()

    asked = parse_qs(urlsplit(begin(admin_page, row)).query)

    kept = str(dict(admin_page.session))
    assert asked["state"][0] not in kept
    assert asked["code_challenge"][0] not in kept


def test_connect_leads_only_by_a_link_and_takes_no_get(world: TokenWorld, admin_page: Client):
    """S-14, S-16: forms of ours lead nowhere else, and a click elsewhere begins nothing."""
    row = world.waiting()
    url = reverse("admin:integrations_credentials_connect", args=(row.pk,))

    assert admin_page.get(url).status_code == 405
    assert "form-action 'self'" in admin_page.post(url)["Content-Security-Policy"]
    assert admin_page.post(CALLBACK).status_code == 405


def test_the_password_is_asked_for_before_connecting(world: TokenWorld, admin_page: Client):
    """S-17."""
    row = world.waiting()
    session = admin_page.session
    session["password_confirmed_at"] = 0
    session.save()

    answer = admin_page.post(reverse("admin:integrations_credentials_connect", args=(row.pk,)))

    assert answer["Location"].startswith(reverse("admin:confirm_password"))


@pytest.mark.parametrize("group", ["hr_viewer", "auditor", "workflow_editor"])
def test_only_who_may_change_credentials_connects(
    world: TokenWorld,
    request: pytest.FixtureRequest,
    open_as: Callable[[User], Client],
    group: str,
):
    """S-08."""
    row = world.waiting()
    client = open_as(request.getfixturevalue(group))

    url = reverse("admin:integrations_credentials_connect", args=(row.pk,))
    assert client.post(url).status_code == 403
    assert client.get(f"{CALLBACK}?state=x&code=y").status_code == 403


def test_the_page_says_how_things_stand(world: TokenWorld, admin_page: Client):
    row = world.waiting()
    assert "Not connected yet" in text_of(admin_page.get(page_of(row)))

    admin_page.get(decide(begin(admin_page, row)))
    page = admin_page.get(page_of(row))

    assert "Renews by itself" in text_of(page)
    assert f"http://127.0.0.1:8000{CALLBACK}" in text_of(page)
    secrets = stored(row).values()
    assert not [one for one in secrets if one in page.content.decode()]


def test_a_need_to_reconnect_stands_in_list_page_and_dashboard(
    world: TokenWorld, admin_page: Client
):
    row = world.connected()
    Credentials.objects.update(
        reconnect_since=timezone.now(), test_state="failed", test_message="Press Connect there."
    )

    for url in (reverse("admin:integrations_credentials_changelist"), page_of(row)):
        assert "Reconnect needed" in text_of(admin_page.get(url))
    assert "has to be connected again" in text_of(admin_page.get("/admin/"))


def test_the_form_is_filled_in_by_the_vendors_folder_and_stores_what_differs(
    world: TokenWorld, admin_page: Client
):
    add = reverse("admin:integrations_credentials_add") + "?vendor=goto&type=oauth2"
    secrets = world.secrets()
    page = admin_page.get(add)
    assert "https://authentication.logmeininc.com/oauth/token" in page.content.decode()

    answer = save(
        admin_page,
        add,
        "credentials_form",
        name="GoTo",
        client_id=secrets["client_id"],
        client_secret=secrets["client_secret"],
        token_url=world.settings()["token_url"],
    )

    assert answer.status_code == 302, text_of(answer)
    row = Credentials.objects.get()
    assert row.settings == {"token_url": world.settings()["token_url"]}
    assert stored(row) == {name: secrets[name] for name in ("client_id", "client_secret")}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token_url", "https://evil.example/token"),
        ("token_url", "http://127.0.0.1:1/token"),
        ("auth_url", "https://api.getgo.com@evil.example/"),
        ("refresh_url", "ftp://api.getgo.com/"),
        ("header_prefix", "Bearer\nX: y"),
        ("scope", "a\tb"),
    ],
)
def test_a_setting_that_could_not_be_used_is_refused(
    world: TokenWorld, admin_page: Client, field: str, value: str
):
    row = world.waiting()

    answer: Any = save(admin_page, page_of(row), "credentials_form", **{field: value})

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert Credentials.objects.get(pk=row.pk).settings == world.settings()
