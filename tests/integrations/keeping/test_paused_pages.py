"""While the installation is paused, every page of the admin says so, and one lets it go on."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.installation import find_pause, pause_installation
from tests.makers import make_integration, make_run

pytestmark = pytest.mark.django_db
PAGE = "/admin/integrations/installation/paused/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pause() -> None:
    pause_installation("restored from <old>.zip", by="admin", now=timezone.now())


def test_every_page_says_that_it_is_paused(it_admin: User, hr_viewer: User) -> None:
    """F-43: the link only for who may say go."""
    pause()
    admin, viewer = signed_in(it_admin), signed_in(hr_viewer)

    for url in (reverse("admin:index"), reverse("admin:people_person_changelist")):
        for client in (admin, viewer):
            text = client.get(url).content.decode()
            assert "Rolecall is paused" in text
            assert "restored from &lt;old&gt;.zip" in text
            assert (PAGE in text) == (client is admin)


def test_nothing_is_said_while_it_is_not(it_admin: User) -> None:
    client = signed_in(it_admin)

    assert "Rolecall is paused" not in client.get(reverse("admin:index")).content.decode()
    assert "Rolecall is not paused" in client.get(PAGE).content.decode()


def test_the_sign_in_page_says_nothing(client: Client) -> None:
    pause()

    assert "paused" not in client.get(reverse("admin:login")).content.decode()


def test_the_page_lists_what_previews_say_and_lets_it_go_on(it_admin: User) -> None:
    """F-43: the drift report."""
    looked_at = make_integration(name="Looked at", state="active", tenant="a")
    make_integration(name="Not yet", state="active", tenant="b")
    pause()
    run = make_run(looked_at, kind="preview")
    run.counts["people"]["deactivated"] = 3
    run.save()
    client = signed_in(it_admin)

    text = client.get(PAGE).content.decode()
    assert "3 deactivated" in text
    assert "Not previewed yet" in text
    assert "1 of 2 integrations" in text
    client.post(PAGE)
    assert find_pause() is not None
    answer = client.post(PAGE, {"looked": "yes"})
    assert (answer.status_code, find_pause()) == (302, None)


def test_others_may_not_open_it(auditor: User) -> None:
    pause()
    client = signed_in(auditor)

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"looked": "yes"}).status_code == 403
    assert find_pause() is not None
