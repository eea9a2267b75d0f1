"""The four groups exist after migrate, and the fixtures put users into them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client


def test_each_user_is_in_one_group_and_no_superuser(
    it_admin: User, hr_viewer: User, auditor: User, workflow_editor: User
):
    """M-36"""
    users = [it_admin, hr_viewer, auditor, workflow_editor]

    names = [[group.name for group in user.groups.all()] for user in users]

    assert names == [["IT admin"], ["HR viewer"], ["Auditor"], ["Workflow editor"]]
    assert not any(user.is_superuser for user in users)


@pytest.mark.django_db
def test_an_it_admin_sees_the_admin(client: Client, it_admin: User):
    client.force_login(it_admin)

    answer = client.get("/admin/")

    assert answer.status_code == 200
