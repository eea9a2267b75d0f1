"""The examples of the documentation do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from integrations.configuration import apply_file
from integrations.models import Integration

pytestmark = pytest.mark.django_db
EXAMPLES = sorted((Path(settings.BASE_DIR) / "docs" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_can_be_applied_as_it_stands(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    User.objects.create_user("admin", is_staff=True)
    monkeypatch.setenv("BAMBOOHR_KEY", "0123456789abcdef")
    (tmp_path / "keys").mkdir()
    for vendor in ("aha", "bamboohr"):
        (tmp_path / "keys" / f"{vendor}.txt").write_text("Bearer 0123456789abcdef\n")
    copy = tmp_path / file.name
    copy.write_text(file.read_text())

    receipt = apply_file(copy, by="command line")

    assert receipt.changes
    assert receipt.notes == ()
    assert {one.state for one in Integration.objects.all()} == {"active"}
    assert apply_file(copy, by="command line").changes == ()
