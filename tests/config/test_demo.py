"""The demo company keeps out of real data, and finds its vendors and sign-ins again."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
import yaml
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management.base import CommandError

from config import demo
from config.demo_company import configuration_of
from integrations.configuration import apply_text
from integrations.models import Credentials, Integration
from integrations.sandbox.server import Sandbox
from workflows.editing import latest_version
from workflows.kinds import find_kind
from workflows.models import Workflow
from workflows.versions import read_definition


@pytest.fixture
def folder(tmp_path: Path, settings: LazySettings) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def test_a_database_with_users_is_left_alone(folder: Path, it_admin: User):
    with pytest.raises(CommandError, match="real data"):
        demo.check_is_possible()


@pytest.mark.django_db
def test_an_empty_database_and_one_that_holds_the_demo_are_taken(folder: Path):
    demo.check_is_possible()
    demo.make_users(folder / "sign-ins.txt")
    demo._write_notes(port=8100)

    demo.check_is_possible()


def test_settings_that_refuse_plain_http_refuse_the_demo(settings: LazySettings):
    settings.EGRESS_ALLOW_HTTP = False

    with pytest.raises(CommandError, match="plain http"):
        demo.check_is_possible()


@pytest.mark.django_db
def test_sign_ins_are_made_once_in_their_groups_and_kept_private(folder: Path):
    file = folder / "sign-ins.txt"

    first = demo.make_users(file)
    second = demo.make_users(file)

    assert first == second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    users = {user.username: user for user in User.objects.prefetch_related("groups")}
    assert users["admin"].check_password(first["admin"])
    assert users["hr"].check_password(first["hr"])
    groups = {name: [group.name for group in user.groups.all()] for name, user in users.items()}
    assert groups == {"admin": ["IT admin"], "hr": ["HR viewer"]}
    assert not users["hr"].is_superuser


@pytest.mark.django_db
def test_a_password_that_somebody_changed_is_not_put_back(folder: Path):
    file = folder / "sign-ins.txt"
    demo.make_users(file)
    user = User.objects.get(username="hr")
    user.set_password("one of my own choosing")
    user.save()

    demo.make_users(file)

    user.refresh_from_db()
    assert user.check_password("one of my own choosing")


def test_a_port_that_is_taken_gives_the_next_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        found = demo._free_port(port)

    assert found != port
    assert found in range(8100, 8200)


@pytest.mark.django_db
def test_the_configuration_is_one_that_an_operator_could_apply(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """It is valid, holds no secret, launches all integrations, and is idempotent."""
    demo.make_users(tmp_path / "sign-ins.txt")
    with Sandbox(people=5) as sandbox:
        vendors = sandbox.describe()["vendors"]
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        text = yaml.safe_dump(configuration_of(vendors))
        secrets = demo._secrets(demo.Company(sandbox.url, vendors, {}, is_new=True))
        for name, value in secrets.items():
            monkeypatch.setenv(name, value)

        first = apply_text(text, by="admin")
        again = apply_text(text, by="admin")

    assert not any(value in text for value in secrets.values())
    states = Integration.objects.values_list("name", "state")
    assert dict(states) == {
        "BambooHR employees": "active",
        "Betterworks users": "active",
        "GoTo users": "active",
        "monday.com users": "active",
        "Aha! users": "active",
    }
    assert set(Integration.objects.values_list("vendor", flat=True)) == set(vendors)
    assert [note for note in first.notes if "workflow" in note] == []  # mistakes of drafts
    assert again.changes == ()
    drafts = Workflow.objects.filter(state="draft")
    assert {_changes(workflow) for workflow in drafts} == {True}
    assert {_changes(workflow) for workflow in Workflow.objects.filter(state="active")} == {False}
    assert drafts.count() == 10


def _changes(workflow: Workflow) -> bool:
    """Whether it would change something at a vendor."""
    definition = read_definition(latest_version(workflow))
    found = [(find_kind(block.kind), block) for block in definition.blocks]
    return any(kind is not None and kind.changes_vendor(block) for kind, block in found)


@pytest.mark.django_db
def test_each_draft_of_the_demo_could_be_activated(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    demo.make_users(tmp_path / "sign-ins.txt")
    with Sandbox(people=5) as sandbox:
        vendors = sandbox.describe()["vendors"]
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        wanted = configuration_of(vendors)
        for workflow in wanted["workflows"]:
            workflow["state"] = "active"
        secrets = demo._secrets(demo.Company(sandbox.url, vendors, {}, is_new=True))
        for name, value in secrets.items():
            monkeypatch.setenv(name, value)

        apply_text(yaml.safe_dump(wanted), by="admin")

    assert set(Workflow.objects.values_list("state", flat=True)) == {"active"}


@pytest.mark.django_db
def test_credentials_follow_the_sandbox_to_another_port():
    ours = Credentials.objects.create(
        name="a", vendor="aha", type="api_key", base_url="http://127.0.0.1:8100/aha/acme"
    )
    token = {"token_url": "http://127.0.0.1:8100/goto/oauth/token", "scope": "identity:"}
    by_oauth = Credentials.objects.create(
        name="c",
        vendor="goto",
        type="oauth2",
        base_url="http://127.0.0.1:8100/goto/admin",
        settings=token,
    )
    other = Credentials.objects.create(
        name="b", vendor="aha", type="api_key", base_url="http://127.0.0.1:81001/aha/acme"
    )

    demo._move_credentials("http://127.0.0.1:8100", "http://127.0.0.1:8101")

    ours.refresh_from_db()
    other.refresh_from_db()
    assert ours.base_url == "http://127.0.0.1:8101/aha/acme"
    assert other.base_url == "http://127.0.0.1:81001/aha/acme"
    by_oauth.refresh_from_db()
    moved = "http://127.0.0.1:8101/goto/oauth/token"
    assert by_oauth.settings == {"token_url": moved, "scope": "identity:"}
