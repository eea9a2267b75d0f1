"""Sessions end after 30 idle minutes and after 8 hours, and wrong passwords lock."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config import sessions

SIGNED_IN, SIGN_IN_AGAIN = 200, 302


def session_of(client: Client, **values: float) -> None:
    session = client.session
    session.update(values)
    session.save()


def test_a_session_ends_after_eight_hours_however_busy(client: Client, it_admin: User):
    """S-17"""
    client.force_login(it_admin)
    old = client.cookies["rolecall_session"].value
    session_of(client, **{sessions.BEGAN_AT: time.time() - 8 * 3600 - 1})

    answer = client.get("/admin/")

    assert answer.status_code == SIGN_IN_AGAIN
    client.cookies["rolecall_session"] = old
    assert client.get("/admin/").status_code == SIGN_IN_AGAIN


def test_a_session_just_under_eight_hours_goes_on(client: Client, it_admin: User):
    client.force_login(it_admin)
    session_of(client, **{sessions.BEGAN_AT: time.time() - 8 * 3600 + 60})

    assert client.get("/admin/").status_code == SIGNED_IN


def test_a_request_moves_the_idle_limit_on(client: Client, it_admin: User):
    """S-17: 30 minutes from the last request, counted in steps of a minute."""
    client.force_login(it_admin)
    session_of(client, **{sessions.SEEN_AT: time.time() - 600})

    client.get("/admin/")

    left = client.session.get_expiry_date() - timezone.now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert client.session[sessions.SEEN_AT] > time.time() - 60


def test_a_second_request_within_a_minute_does_not_write_the_session(
    client: Client, it_admin: User, django_assert_num_queries: DjangoAssertNumQueries
):
    client.force_login(it_admin)
    client.get("/")
    before = client.session[sessions.SEEN_AT]

    with django_assert_num_queries(2):  # the session, the user
        client.get("/")

    assert client.session[sessions.SEEN_AT] == before


def test_a_cookie_from_before_signing_out_is_dead(client: Client, it_admin: User):
    """S-17"""
    client.force_login(it_admin)
    old = client.cookies["rolecall_session"].value
    client.post("/admin/logout/")

    client.cookies["rolecall_session"] = old
    answer = client.get("/admin/")

    assert answer.status_code == SIGN_IN_AGAIN


def test_a_changed_password_ends_the_sessions_elsewhere(client: Client, it_admin: User):
    """S-17"""
    client.force_login(it_admin)
    it_admin.set_password("another long password")
    it_admin.save()

    assert client.get("/admin/").status_code == SIGN_IN_AGAIN


@pytest.mark.django_db
def test_fifty_wrong_passwords_end_at_a_lock_that_the_right_one_does_not_open(
    client: Client, it_admin: User
):
    """S-17"""
    it_admin.set_password("the right long password")
    it_admin.save()

    def sign_in(password: str) -> int:
        form = {"username": it_admin.username, "password": password}
        return client.post("/admin/login/", form).status_code

    statuses = [sign_in(f"wrong {number}") for number in range(50)]

    assert statuses == [200] * 9 + [429] * 41
    assert sign_in("the right long password") == 429


def test_the_lock_holds_for_one_user_name_and_address_only(client: Client, it_admin: User):
    """S-17: nobody can lock out somebody else."""
    it_admin.set_password("the right long password")
    it_admin.save()
    form = {"username": it_admin.username, "password": "wrong"}
    for _ in range(10):
        locked = client.post("/admin/login/", form, REMOTE_ADDR="192.0.2.1")

    form["password"] = "the right long password"
    answer = client.post("/admin/login/", form, REMOTE_ADDR="192.0.2.2")

    assert b"Too many wrong passwords" in locked.content
    assert answer.status_code == 302
