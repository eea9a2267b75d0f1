"""Credentials in the admin: secrets go in, are used, and never come out."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import secrets
from integrations.admin import reauth
from integrations.models import Credentials
from integrations.registry import vendors
from integrations.sandbox.server import Sandbox
from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from tests.makers import AHA_KEY, make_credentials, make_integration, make_variable

pytestmark = pytest.mark.django_db
LIST = "/admin/integrations/credentials/"
ADD = f"{LIST}add/?vendor=aha&type=api_key"
FORM = "credentials_form"


def change(row: Credentials) -> str:
    return reverse("admin:integrations_credentials_change", args=(row.pk,))


def test_the_form_begins_with_what_the_vendor_fixes(admin_page: Client) -> None:
    """AH-04: Token Name and the place are there before anything is typed."""
    form = read_form(admin_page.get(ADD), FORM)

    assert form["token_name"] == "Authorization"
    assert form["add_to"] == "header"
    assert form["value"] == ""


def test_credentials_are_saved_sealed_and_say_who_set_them(admin_page: Client) -> None:
    """AH-04, M-34: the value is in no column as it was typed."""
    answer = save(admin_page, ADD, FORM, name="Aha production", value=AHA_KEY)

    assert answer.status_code == 302
    row = Credentials.objects.get()
    assert (row.vendor, row.type, row.settings["add_to"]) == ("aha", "api_key", "header")
    assert secrets.open_sealed(row) == {"value": AHA_KEY}
    assert row.hints["value"]["set_by"] == "it-admin"
    assert "6a3d" in text_of(admin_page.get(change(row)))


def test_a_value_without_bearer_is_warned_of_before_it_is_saved(admin_page: Client) -> None:
    """AH-05: saved only when the warning is confirmed; the key is not shown again meanwhile."""
    bare = AHA_KEY.removeprefix("Bearer ")

    warned = save(admin_page, ADD, FORM, name="Aha", value=bare)

    assert warned.status_code == 200
    assert "Bearer" in text_of(warned)
    assert bare.encode() not in warned.content
    assert not Credentials.objects.exists()

    confirmed = save(admin_page, ADD, FORM, name="Aha", value=bare, save_unusual="on")

    assert confirmed.status_code == 302
    assert secrets.open_sealed(Credentials.objects.get()) == {"value": bare}


def test_the_help_recommends_a_dedicated_account_once(admin_page: Client) -> None:
    """AH-07."""
    for vendor in vendors().values():
        for kind in vendor.manifest.auth.types:
            page = text_of(admin_page.get(f"{LIST}add/?vendor={vendor.key}&type={kind}"))
            assert page.count("kept for this purpose") == 1, (vendor.key, kind)


def test_an_empty_value_keeps_the_secret_and_a_new_one_replaces_it(admin_page: Client) -> None:
    row = make_credentials()
    row.test_state = Credentials.Test.CONNECTED
    row.save()

    save(admin_page, change(row), FORM, name="Renamed")

    kept = Credentials.objects.get()
    assert kept.name == "Renamed"
    assert secrets.open_sealed(kept) == {"value": AHA_KEY}
    assert kept.test_state == Credentials.Test.CONNECTED

    save(admin_page, change(row), FORM, value="Bearer another-0123456789")

    replaced = Credentials.objects.get()
    assert secrets.open_sealed(replaced) == {"value": "Bearer another-0123456789"}
    assert replaced.test_state == Credentials.Test.UNTESTED


def test_no_page_of_credentials_shows_a_secret(admin_page: Client) -> None:
    """S-06, C-07: list, form, history, delete, search, the log of changes."""
    row = make_credentials()
    make_integration(credentials=row)
    save(admin_page, change(row), FORM, value=AHA_KEY, name="Again")

    pages = [LIST, f"{LIST}?q=Again", change(row), f"{LIST}{row.pk}/history/"]
    pages += [f"{LIST}{row.pk}/delete/", "/admin/", "/admin/search/?s=again&extended=1"]
    bodies = [admin_page.get(page).content.decode() for page in pages]

    canary = AHA_KEY.removeprefix("Bearer ")
    assert not [page for page, body in zip(pages, bodies, strict=True) if canary in body]
    assert canary not in "".join(LogEntry.objects.values_list("change_message", flat=True))
    assert all("gAAAA" not in body for body in bodies)  # nor the sealed text


@pytest.mark.parametrize(
    "lookup",
    [
        "sealed__startswith=g",
        "sealed=x",
        "sealed__isnull=0",
        "hints__value__last4=6a3d",
        "hints__icontains=6a3d",
        "history__sealed=x",
        "integrations__credentials__sealed__contains=g",
        "uuid__startswith=a",
        "settings__token_name=Authorization",
    ],
)
def test_secrets_cannot_be_asked_for_by_a_look_up(admin_page: Client, lookup: str) -> None:
    """S-07: every look-up leads back to the whole list, so that its rows tell nothing."""
    make_credentials()

    answer = admin_page.get(f"{LIST}?{lookup}")

    assert answer.status_code == 302
    assert answer["Location"] == f"{LIST}?e=1"


def test_secrets_are_not_searched(admin_page: Client) -> None:
    """S-07."""
    make_credentials()

    shown = admin_page.get(LIST, {"q": "6a3d"})

    assert shown.context["cl"].result_count == 0


def test_history_says_that_a_secret_was_set_and_cannot_be_turned_back(admin_page: Client) -> None:
    """The versions are read; none can be posted back."""
    row = make_credentials()
    save(admin_page, change(row), FORM, value="Bearer another-0123456789")
    version = row.history.latest().pk

    page = text_of(admin_page.get(f"{LIST}{row.pk}/history/"))
    reverted = admin_page.post(f"{LIST}{row.pk}/history/{version}/", {"name": "Turned back"})

    assert "value set by it-admin" in page
    assert reverted.status_code in {302, 404, 405}
    assert Credentials.objects.get().name == "Aha production"


def test_the_test_button_says_that_it_is_connected(admin_page: Client, sandbox: Sandbox) -> None:
    """The sub-domain is proposed from the variable; the result stays on the page (BB-04)."""
    make_variable(value="acme")
    row = make_credentials(
        secret=sandbox.credentials("aha")["secrets"]["value"],
        base_url=sandbox.base_url("aha"),
    )
    proposed = admin_page.get(change(row)).context["test_inputs"][0]["value"]

    answer = admin_page.post(f"{LIST}{row.pk}/test/", {"input_subdomain": proposed})

    assert proposed == "acme"
    assert "Connected to Aha!" in messages_of(admin_page, answer)[0]
    row.refresh_from_db()
    assert row.test_state == Credentials.Test.CONNECTED


def test_the_test_button_says_why_it_is_not_connected(admin_page: Client, sandbox: Sandbox) -> None:
    """BB-05: a wrong key, with the reason and without the key."""
    row = make_credentials(base_url=sandbox.base_url("aha"))

    answer = admin_page.post(f"{LIST}{row.pk}/test/", {"input_subdomain": "acme"})

    told = messages_of(admin_page, answer)[0]
    assert "Not connected" in told
    assert "401" in told
    assert AHA_KEY not in told
    row.refresh_from_db()
    assert row.test_state == Credentials.Test.FAILED


def test_the_page_lists_who_uses_the_credentials(admin_page: Client) -> None:
    row = make_credentials()
    integration = make_integration(credentials=row)

    page = admin_page.get(change(row))

    link = reverse("admin:integrations_integration_change", args=(integration.pk,))
    assert link in page.content.decode()
    assert integration.name in text_of(page)


@pytest.mark.parametrize(
    ("days", "words"), [(12, "Expires in 12 days"), (1, "Expires in 1 day"), (0, "Expires today")]
)
def test_a_key_that_expires_soon_wears_a_badge(admin_page: Client, days: int, words: str) -> None:
    make_credentials(expires_on=timezone.localdate() + timedelta(days=days))

    assert words in text_of(admin_page.get(LIST))


@pytest.mark.parametrize(
    "url",
    [
        "http://mycompany.aha.io/api",
        "https://evil.example/api",
        "https://aha.io@evil.example/",
        "https://127.0.0.1/",
        "ftp://mycompany.aha.io/",
        "https://mycompany.aha.io:8443/",
    ],
)
def test_a_base_url_elsewhere_is_refused_when_it_is_typed(admin_page: Client, url: str) -> None:
    """S-10: on the field, before anything is sent."""
    answer = save(admin_page, ADD, FORM, name="Aha", value=AHA_KEY, base_url=url)

    assert answer.status_code == 200
    assert "base_url" in answer.context["adminform"].form.errors
    assert not Credentials.objects.exists()


def test_a_base_url_of_the_vendor_is_taken(admin_page: Client) -> None:
    url = "https://mycompany.aha.io/api/v1"

    save(admin_page, ADD, FORM, name="Aha", value=AHA_KEY, base_url=url)

    assert Credentials.objects.get().base_url == url


def test_a_secret_of_other_credentials_asks_to_be_entered_again(admin_page: Client) -> None:
    """M-34: the page still opens; saving with a new secret mends it."""
    row = make_credentials()
    other = make_credentials("Other account")
    Credentials.objects.filter(pk=row.pk).update(sealed=other.sealed)

    opened = admin_page.get(change(row))
    refused = save(admin_page, change(row), FORM, name="Renamed")
    mended = save(admin_page, change(row), FORM, value="Bearer another-0123456789")

    assert opened.status_code == 200
    assert "enter the secrets again" in text_of(refused)
    assert mended.status_code == 302


def test_the_password_is_asked_for_again_after_five_minutes(
    admin_page: Client, it_admin: User
) -> None:
    """S-17: neither the form nor a POST to it goes through until then."""
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)
    row = make_credentials()
    session = admin_page.session
    session[reauth.CONFIRMED_AT] = time.time() - reauth.LASTS_SECONDS - 1
    session.save()

    asked = admin_page.get(change(row))
    posted = admin_page.post(change(row), {"name": "Stolen"})
    wrong = admin_page.post(asked["Location"], {"password": "wrong"})
    right = admin_page.post(asked["Location"], {"password": "correct-horse-battery"})
    opened = admin_page.get(change(row))

    assert asked.status_code == posted.status_code == 302
    assert reverse("admin:confirm_password") in posted["Location"]
    assert wrong.status_code == 200
    assert right["Location"] == change(row)
    assert opened.status_code == 200
    assert Credentials.objects.get().name == "Aha production"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_confirming_the_password_never_leads_elsewhere(
    admin_page: Client, it_admin: User, target: str
) -> None:
    """S-16."""
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)

    answer = admin_page.post(
        reverse("admin:confirm_password"), {"password": "correct-horse-battery", "next": target}
    )

    assert answer["Location"] == LIST


def test_guessing_the_password_there_is_stopped_as_at_the_sign_in(
    admin_page: Client, it_admin: User
) -> None:
    """S-17: after ten wrong ones not even the right one is taken."""
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)
    session = admin_page.session
    del session[reauth.CONFIRMED_AT]
    session.save()
    url = reverse("admin:confirm_password")

    wrong = [admin_page.post(url, {"password": f"guess {n}"}).status_code for n in range(12)]
    right = admin_page.post(url, {"password": "correct-horse-battery"})

    assert wrong[0] == 200
    assert wrong[-1] in {403, 429}
    assert right.status_code in {403, 429}
    assert reauth.CONFIRMED_AT not in admin_page.session


def test_a_confirmation_from_the_future_counts_for_nothing(rf: Any) -> None:
    request = rf.get("/")
    request.session = {reauth.CONFIRMED_AT: 1_000.0}

    assert not reauth.is_confirmed(request, now=900.0)
    assert reauth.is_confirmed(request, now=1_300.0)
    assert not reauth.is_confirmed(request, now=1_301.0)


def test_others_have_no_way_to_credentials(
    open_as: Any, hr_viewer: User, auditor: User, workflow_editor: User
) -> None:
    """C-08, S-08: list, form, add, test, delete, history, by GET and by POST."""
    row = make_credentials()
    pages = [LIST, ADD, change(row)]
    pages += [f"{LIST}{row.pk}/{page}/" for page in ("test", "delete", "history")]

    for user in (hr_viewer, auditor, workflow_editor):
        client = open_as(user)
        answers = [client.get(page).status_code for page in pages]
        answers += [client.post(page, {"name": "x"}).status_code for page in pages]

        assert set(answers) <= {403, 405}, user
    row.refresh_from_db()
    assert row.name == "Aha production"


def test_the_test_takes_post_only(admin_page: Client) -> None:
    """S-16."""
    row = make_credentials()

    assert admin_page.get(f"{LIST}{row.pk}/test/").status_code == 405


def test_the_list_asks_as_much_for_forty_credentials_as_for_two(
    admin_page: Client, django_assert_num_queries: Any
) -> None:
    for number in range(40):
        make_credentials(f"Aha {number}")
    admin_page.get(LIST)  # the first page of a session writes when it was seen

    with django_assert_num_queries(10):
        admin_page.get(LIST)
