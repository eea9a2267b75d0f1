"""Pages that must come whatever is broken: errors, health, and the headers of all of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client


@pytest.fixture
def quiet_client() -> Client:
    """Shows the error page instead of raising the error."""
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/nothing-here", "/admin/nothing-here"])
def test_a_missing_page_says_so_without_a_traceback(client: Client, it_admin: User, path: str):
    client.force_login(it_admin)

    answer = client.get(path)

    assert answer.status_code == 404
    assert b"There is nothing at this address" in answer.content


def test_there_is_an_icon_for_who_asks_for_none_that_a_page_names(client: Client):
    """Browsers and link previews ask for it without having read a page."""
    answer = client.get("/favicon.ico")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/static/rolecall/img/favicon")
    assert b"rolecall/img/favicon" in client.get("/nothing-here").content


def test_a_form_without_its_token_is_refused_with_a_way_on(it_admin: User):
    """S-16"""
    client = Client(enforce_csrf_checks=True)
    client.force_login(it_admin)

    answer = client.post("/admin/logout/")

    assert answer.status_code == 403
    assert b"This form was open for too long" in answer.content


def test_a_database_that_is_down_is_a_503_and_nothing_else(quiet_client: Client, it_admin: User):
    """A real failure: the server refuses each statement of this connection."""
    quiet_client.force_login(it_admin)

    def refuse(*_args: object) -> None:
        raise OperationalError("server closed the connection; password=canary-secret")

    with connection.execute_wrapper(refuse):
        page = quiet_client.get("/admin/")
        ready = quiet_client.get("/readyz")
        alive = quiet_client.get("/healthz")

    assert page.status_code == 503
    assert page["Retry-After"] == "30"
    assert b"The database cannot be reached" in page.content
    assert b"canary-secret" not in page.content
    assert (ready.status_code, alive.status_code) == (503, 200)


@pytest.mark.django_db
def test_any_other_error_is_a_friendly_500(quiet_client: Client, it_admin: User):
    """S-05"""
    quiet_client.force_login(it_admin)

    def fail(*_args: object) -> None:
        raise RuntimeError("canary-secret")

    with connection.execute_wrapper(fail):
        answer = quiet_client.get("/admin/")

    assert answer.status_code == 500
    assert b"Something went wrong on our side" in answer.content
    assert b"canary-secret" not in answer.content
    assert b"Traceback" not in answer.content


@pytest.mark.parametrize("path", ["/admin/login/", "/nothing-here", "/static/nothing.css"])
@pytest.mark.django_db
def test_every_page_carries_the_security_headers(client: Client, path: str):
    """S-14"""
    answer = client.get(path)

    policy = answer["Content-Security-Policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in script
    assert "frame-ancestors 'none'" in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_probe_may_name_the_host_as_it_likes(client: Client, path: str):
    answer = client.get(path, HTTP_HOST="10.0.0.7:8000")

    assert answer.status_code == 200


@pytest.mark.django_db
def test_the_bare_address_leads_to_the_admin(client: Client):
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "https://evil.example", "http:///evil.example", "javascript:alert(1)"],
)
def test_signing_in_leads_to_no_other_site(client: Client, it_admin: User, address: str):
    """S-16"""
    it_admin.set_password("the right long password")
    it_admin.save()
    form = {
        "username": it_admin.username,
        "password": "the right long password",
        "next": address,
    }

    answer = client.post("/admin/login/", form)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_production_names_everything_that_it_misses_at_once():
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "ROLECALL_IGNORE_ENV_FILE": "1",
        "SECRETS_FILE": os.devnull,
        "DATA_DIR": os.environ["DATA_DIR"],
    }

    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "SECRET_KEY, FERNET_KEYS, DATABASE_URL, ALLOWED_HOSTS, PUBLIC_URL" in ended.stderr, (
        ended.stderr
    )
