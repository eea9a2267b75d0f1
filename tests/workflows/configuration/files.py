"""Workflows as a file writes them, beside the integration that they need."""

from __future__ import annotations

import pytest

from integrations.configuration import Receipt, apply_text
from integrations.errors import ConfigurationRefused
from tests.integrations.configuration.files import AHA

ROLES = """\
workflows:
  - name: Aha! roles
    object: saas_user
    application: Aha!
    description: Who has which role in which project
    begin:
      actions: [schedule]
      schedule: {every: day, at: "07:00", timezone: Europe/London}
      records: active
      rules: {all: [{field: last_activity, operator: is_not_empty}]}
      next: role
    blocks:
      - key: role
        kind: saas_user_role
        name: Read roles
        preset: aha.user_role
        credentials: Aha production
        settings: {deactivate_user: true}
        exits: {success: end, failure: tell}
      - key: tell
        kind: notification
        settings: {recipients: [it@example.com], subject: "Roles of {{ email }}", message: "{{ failure.reason }}"}
        exits: {success: end, failure: end}
    state: active
"""
LEAVERS = """\
workflows:
  - name: Leavers
    object: person
    begin: {actions: [archive]}
    blocks:
      - key: off
        kind: api
        preset: aha.deactivate_user
        credentials: Aha production
        exits: {success: end, failure: end}
    state: draft
"""
FILE = AHA + ROLES


def apply(text: str, *, by: str = "command line", plan: bool = False) -> Receipt:
    """Apply a text as the file `test.yaml`."""
    return apply_text(text, by=by, plan=plan, file="test.yaml")


def refusal(text: str, *, by: str = "command line", plan: bool = False) -> list[str]:
    """The lines with which a file is refused."""
    with pytest.raises(ConfigurationRefused) as refused:
        apply(text, by=by, plan=plan)
    return [line.strip() for line in str(refused.value).splitlines()]


def line_of(text: str, part: str) -> int:
    """The line of a file in which this stands, from 1."""
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)
