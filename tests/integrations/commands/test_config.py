"""`config apply` and `config export` from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from integrations.models import GlobalVariable

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rolecall.yaml"
    path.write_text("variables: {Aha.Subdomain: mycompany}\n")
    return path


def test_apply_says_what_it_did_and_ends_with_0(run: Any, file: Path):
    ended = run("config", "apply", str(file))

    assert ended.code == 0
    assert ended.out == (
        "+ variables: Aha.Subdomain\n    value: mycompany\n1 were made, 0 were changed.\n"
    )


def test_apply_with_plan_writes_nothing(run: Any, file: Path):
    ended = run("config", "apply", str(file), "--plan")

    assert "1 would be made" in ended.out
    assert not GlobalVariable.objects.exists()


def test_mistakes_end_with_2_and_name_file_line_and_key(run: Any, file: Path):
    file.write_text("variables: {Aha.Subdomain: mycompany}\nintegration: []\n")

    ended = run("config", "apply", str(file))

    assert ended.code == 2
    assert ended.err == (f'{file}:2: integration: unknown key. Did you mean "integrations"?')


def test_apply_as_a_user_is_written_in_the_history(run: Any, file: Path, it_admin: User):
    ended = run("config", "apply", str(file), "--as", "it-admin")

    assert ended.code == 0
    assert GlobalVariable.history.get().history_user == it_admin


@pytest.mark.parametrize("group", ["hr_viewer", "auditor", "workflow_editor"])
def test_nobody_but_an_it_admin_changes_what_integrations_need(
    run: Any, file: Path, group: str, request: pytest.FixtureRequest
):
    """M-36, M-17."""
    user = request.getfixturevalue(group)

    ended = run("config", "apply", str(file), "--as", user.username)

    assert (ended.code, GlobalVariable.objects.count()) == (2, 0)
    assert ended.err == (
        f'{file}:1: variables: "{user}" may not do this: the permission '
        "integrations.change_globalvariable is missing. The group IT admin has it."
    )


def test_a_plan_tells_nobody_what_they_may_not_change(run: Any, file: Path, hr_viewer: User):
    """M-36: a file that says what is stored already is refused like any other."""
    run("config", "apply", str(file))

    ended = run("config", "apply", str(file), "--plan", "--as", hr_viewer.username)

    assert (ended.code, ended.out) == (2, "")
    assert "may not do this" in ended.err


def test_an_unknown_user_ends_with_2(run: Any, file: Path, it_admin: User):
    ended = run("config", "apply", str(file), "--as", "it-admim")

    assert ended.code == 2
    assert ended.err == 'There is no active user "it-admim". Did you mean "it-admin"?'


def test_export_prints_what_apply_takes(run: Any, file: Path, tmp_path: Path):
    run("config", "apply", str(file))
    exported = tmp_path / "export.yaml"

    printed = run("config", "export")
    written = run("config", "export", str(exported))

    assert exported.read_text() == printed.out
    assert written.out == ""
    assert "Nothing to change" in run("config", "apply", str(exported)).out


def test_an_export_is_there_as_a_whole_or_not_at_all(run: Any, tmp_path: Path):
    """F-41."""
    ended = run("config", "export", str(tmp_path / "no-such-folder" / "export.yaml"))

    assert ended.code == 2
    assert list(tmp_path.iterdir()) == []
