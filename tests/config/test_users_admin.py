"""Users and groups in the admin: nobody gives away more than they have."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from config import groups
from tests.integrations.admin.pages import read_form, text_of
from tests.makers import make_user

pytestmark = pytest.mark.django_db
USERS = "/admin/auth/user/"
GROUPS = "/admin/auth/group/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_it_admin_adds_users_and_puts_them_in_groups(it_admin: User) -> None:
    client = signed_in(it_admin)
    password = "a-long-password-of-mine"
    client.post(
        f"{USERS}add/",
        {
            "username": "new",
            "password1": password,
            "password2": password,
            "usable_password": "true",
        },
    )
    user = User.objects.get(username="new")
    hr = Group.objects.get(name=groups.HR_VIEWER)

    form = read_form(client.get(f"{USERS}{user.pk}/change/"), "user_form")
    client.post(f"{USERS}{user.pk}/change/", {**form, "is_staff": "on", "groups": [hr.pk]})

    user.refresh_from_db()
    assert user.is_staff
    assert list(user.groups.all()) == [hr]


def test_an_it_admin_makes_nobody_a_superuser(it_admin: User) -> None:
    """S-08."""
    client = signed_in(it_admin)
    form = read_form(client.get(f"{USERS}{it_admin.pk}/change/"), "user_form")

    client.post(f"{USERS}{it_admin.pk}/change/", {**form, "is_superuser": "on"})

    it_admin.refresh_from_db()
    assert not it_admin.is_superuser


def test_an_it_admin_leaves_superusers_alone(it_admin: User) -> None:
    """S-08: neither their row nor their password."""
    root = make_user("root")
    client = signed_in(it_admin)
    before = root.password

    change = client.post(f"{USERS}{root.pk}/change/", {"username": "taken", "is_active": ""})
    password = client.post(
        f"{USERS}{root.pk}/password/",
        {"password1": "another-long-one", "password2": "another-long-one"},
    )
    delete = client.post(f"{USERS}{root.pk}/delete/", {"post": "yes"})

    root.refresh_from_db()
    assert {change.status_code, password.status_code, delete.status_code} == {403}
    assert (root.username, root.password) == ("root", before)


def test_an_it_admin_grants_no_permissions(it_admin: User) -> None:
    """S-08: groups are the product's; a permission by name cannot be posted."""
    client = signed_in(it_admin)
    group = Group.objects.get(name=groups.HR_VIEWER)
    before = set(group.permissions.values_list("pk", flat=True))
    form = read_form(client.get(f"{USERS}{it_admin.pk}/change/"), "user_form")

    client.post(f"{USERS}{it_admin.pk}/change/", {**form, "user_permissions": ["1", "2"]})
    changed = client.post(f"{GROUPS}{group.pk}/change/", {"name": "x", "permissions": ["1"]})
    added = client.post(f"{GROUPS}add/", {"name": "Mine", "permissions": ["1"]})

    group.refresh_from_db()
    assert changed.status_code == added.status_code == 403
    assert set(group.permissions.values_list("pk", flat=True)) == before
    assert not it_admin.user_permissions.exists()


def test_a_superuser_makes_groups_but_leaves_those_of_the_product(db: None) -> None:
    client = signed_in(make_user("root"))
    own = Group.objects.get(name=groups.AUDITOR)

    added = client.post(f"{GROUPS}add/", {"name": "Mine"})
    changed = client.post(f"{GROUPS}{own.pk}/change/", {"name": "x"})

    assert added.status_code == 302
    assert changed.status_code == 403
    assert Group.objects.filter(name="Mine").exists()


def test_others_see_neither_users_nor_groups(
    hr_viewer: User, auditor: User, workflow_editor: User
) -> None:
    """M-36."""
    for user in (hr_viewer, auditor, workflow_editor):
        client = signed_in(user)
        for page in (
            USERS,
            GROUPS,
            f"{USERS}add/",
            f"{USERS}{user.pk}/change/",
            f"{USERS}{user.pk}/password/",
        ):
            assert client.get(page).status_code == 403, (user, page)


def test_the_list_says_who_is_in_which_group(it_admin: User) -> None:
    page = text_of(signed_in(it_admin).get(USERS))

    assert "it-admin" in page
    assert "IT admin" in page


@pytest.mark.parametrize(
    "query", ["password__startswith=md5", "user_permissions__codename=x", "last_login__year=0"]
)
def test_passwords_cannot_be_asked_for_by_a_look_up(it_admin: User, query: str) -> None:
    """S-07."""
    assert signed_in(it_admin).get(f"{USERS}?{query}")["Location"] == f"{USERS}?e=1"


def test_the_list_asks_as_much_for_forty_users_as_for_two(
    it_admin: User, django_assert_num_queries: Any
) -> None:
    for number in range(40):
        make_user(f"user{number}")
    client = signed_in(it_admin)
    client.get(USERS)

    with django_assert_num_queries(12):
        client.get(USERS)
