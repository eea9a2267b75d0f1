"""Exporting workflows: stable, whole, and the same when applied again."""

from __future__ import annotations

import pytest
import yaml

from integrations.configuration import export_text
from tests.integrations.configuration.files import AHA, SECRET
from tests.workflows.configuration.files import LEAVERS, ROLES, apply
from workflows.definition import Definition
from workflows.editing import save_definition
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
EVERYTHING = AHA + ROLES + LEAVERS.replace("workflows:\n", "")


def test_applying_an_export_changes_nothing_and_exporting_again_gives_the_same():
    apply(EVERYTHING)
    text = export_text()

    receipt = apply(text)

    assert receipt.changes == ()
    assert export_text() == text
    assert SECRET not in text


def test_an_export_makes_the_same_workflows_in_an_empty_place(monkeypatch: pytest.MonkeyPatch):
    apply(EVERYTHING)
    text = export_text()
    monkeypatch.setenv("AHA_PRODUCTION_VALUE", SECRET)
    Workflow.objects.update(active_version=None, state="draft")
    Workflow.objects.all().delete()

    apply(text)

    assert export_text() == text


def test_workflows_stand_by_name_with_the_keys_of_the_file():
    apply(EVERYTHING)

    exported = yaml.safe_load(export_text())["workflows"]

    wanted = yaml.safe_load(EVERYTHING)["workflows"]
    assert [one["name"] for one in exported] == ["Aha! roles", "Leavers"]
    assert exported[0] == wanted[0]
    assert list(exported[0]) == list(wanted[0])


def test_what_runs_is_exported_not_what_nobody_activated():
    apply(EVERYTHING)
    before = export_text()
    save_definition(
        Workflow.objects.get(name="Aha! roles"), Definition(), by=None, by_name="editor"
    )

    assert export_text() == before
