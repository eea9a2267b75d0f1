"""The examples of the documentation do what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from django.contrib.auth.models import User

from integrations.configuration import apply_file
from integrations.models import Integration
from integrations.registry import vendors
from integrations.sandbox.server import Sandbox

pytestmark = pytest.mark.django_db
EXAMPLES = sorted((Path(settings.BASE_DIR) / "docs" / "examples").glob("*.yaml"))


@pytest.fixture
def sandbox(settings: LazySettings) -> Iterator[Sandbox]:
    with Sandbox(people=27, seed=1) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


def prepared(text: str, sandbox: Sandbox) -> str:
    """The example, asking the sandbox where Launch asks the vendor whose account it is (M-1)."""
    for vendor in vendors().values():
        if vendor.manifest.tenant.answer:
            named = f"    vendor: {vendor.key}\n"
            base_url = f"    base_url: {sandbox.base_url(vendor.key)}\n"
            text = text.replace(named, named + base_url, 1)
    return text


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_can_be_applied_as_it_stands(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
):
    User.objects.create_user("admin", is_staff=True)
    monkeypatch.setenv("BAMBOOHR_KEY", "0123456789abcdef")
    (tmp_path / "keys").mkdir()
    secrets = {
        f"keys/{name}.txt": side["credentials"]["secrets"].get("value", "")
        for name, side in sandbox.describe()["vendors"].items()
        if vendors()[name].manifest.tenant.answer
    }
    for name in re.findall(r"file: (keys/[a-z-]+\.txt)", file.read_text()):
        (tmp_path / name).write_text(secrets.get(name) or "Bearer 0123456789abcdef\n")
    copy = tmp_path / file.name
    copy.write_text(prepared(file.read_text(), sandbox))

    receipt = apply_file(copy, by="command line")

    assert receipt.changes
    assert receipt.notes == ()
    assert {one.state for one in Integration.objects.all()} == {"active"}
    assert apply_file(copy, by="command line").changes == ()


def test_there_is_an_example_for_each_vendor_and_one_with_all():
    named = {file.stem for file in EXAMPLES}

    assert set(vendors()) | {"five-vendors"} <= named
    text = (EXAMPLES[0].parent / "five-vendors.yaml").read_text()
    assert all(f"    vendor: {vendor}\n" in text for vendor in vendors())
