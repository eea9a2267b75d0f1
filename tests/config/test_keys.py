"""SECRET_KEY and FERNET_KEYS come from the environment, or from a private file made once."""

from __future__ import annotations

import stat
from pathlib import Path

import environ
import pytest

from config.keys import load_keys


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    # Set first, so that what reading the file puts into the environment is taken out again.
    for name in ("SECRET_KEY", "FERNET_KEYS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_local_start_makes_them_once_in_a_private_file(
    tmp_path: Path, no_keys: pytest.MonkeyPatch
):
    """M-34"""
    file = tmp_path / "secrets.env"

    first = load_keys(environ.Env(), file)
    text = file.read_text()
    for name in ("SECRET_KEY", "FERNET_KEYS"):
        no_keys.delenv(name)
    second = load_keys(environ.Env(), file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.secret_key) >= 50
    assert (first.secret_key, first.fernet_keys) == (second.secret_key, second.fernet_keys)
    assert file.read_text() == text
    assert first.secret_key not in repr(first)


def test_production_makes_none(tmp_path: Path, no_keys: pytest.MonkeyPatch):
    no_keys.setenv("DJANGO_SETTINGS_MODULE", "config.settings.production")

    keys = load_keys(environ.Env(), tmp_path / "secrets.env")

    assert (keys.secret_key, keys.fernet_keys) == ("", [])
    assert not (tmp_path / "secrets.env").exists()


def test_the_environment_comes_first_and_several_keys_keep_their_order(
    tmp_path: Path, no_keys: pytest.MonkeyPatch
):
    no_keys.setenv("SECRET_KEY", "from-the-environment")
    no_keys.setenv("FERNET_KEYS", "new,old")

    keys = load_keys(environ.Env(), tmp_path / "secrets.env")

    assert (keys.secret_key, keys.fernet_keys) == ("from-the-environment", ["new", "old"])
    assert not (tmp_path / "secrets.env").exists()
