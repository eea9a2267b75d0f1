"""A company that was synced, with users, credentials, held removals and runs under way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from config.groups import IT_ADMIN
from integrations.models import Integration, Notification, PlannedChange, SyncRun
from integrations.sandbox.server import Sandbox
from tests.conftest import make_user
from tests.integrations.sync.worlds import NO_LIMIT, World, sync
from tests.makers import make_custom_field, make_run


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    limits = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
    with Sandbox(people=0, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


class Company:
    """Both integrations, synced once, and what is left over from a busy hour."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.world = World(sandbox)
        make_custom_field("Cost Centre")
        for name in ("Ann", "Zoë", "名前"):
            self.world.employ(name, workEmail=f"{len(name)}{ord(name[0])}@acme.example")
        self.account = self.world.open_account("Ann", roles={"APP": "viewer"})
        self.bamboohr = self.world.integration("bamboohr", name="BambooHR")
        self.aha = self.world.integration("aha", name="Aha!", priority=90)
        sync(self.bamboohr)
        sync(self.aha)

    def busy_hour(self) -> None:
        """A queued run, a run at work, an approved removal, a mail that waits, a user's change."""
        make_run(self.bamboohr, state=SyncRun.State.RUNNING, fence=3, attempts=1)
        make_run(self.aha, state=SyncRun.State.QUEUED)
        held = make_run(self.aha, state=SyncRun.State.HELD)
        PlannedChange.objects.create(
            run=held,
            object="saas_user",
            action=PlannedChange.Action.DEACTIVATE,
            state=PlannedChange.State.HELD,
            key="ann@acme.example",
            external_id=self.account,
            absent=True,
            decided_by="boss",
            decided_at=timezone.now(),
        )
        Notification.objects.create(
            kind=Notification.Kind.HELD, episode="held:1", subject="Held", body="Ann"
        )
        admin = make_user("restorer", IT_ADMIN)
        LogEntry.objects.create(
            user=admin,
            content_type=ContentType.objects.get_for_model(Integration),
            object_id=str(self.aha.pk),
            object_repr="Aha!",
            action_flag=CHANGE,
        )
        group = Group.objects.create(name="Night shift")
        group.permissions.set(Group.objects.get(name=IT_ADMIN).permissions.all()[:7])
        credentials = self.aha.credentials
        assert credentials is not None
        credentials.groups.add(group)


@pytest.fixture
def company(transactional_db: None, sandbox: Sandbox) -> Company:
    return Company(sandbox)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


HOUR = timedelta(hours=1)
