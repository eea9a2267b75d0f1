"""API blocks of workflows on people, or on the users of a desk's application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from people.models import Person
from saas.models import SaaSUser
from tests.integrations.presets.desk import Desk
from tests.workflows.makers import make_workflow
from workflows.kinds import Outcome, Planned, Step
from workflows.models import Workflow

from .steps import make_step, plan_step, run_step

Positive = Mapping[str, str]


def api_workflow(desk: Desk, preset: str, *, users: bool = False, **settings: Any) -> Workflow:
    """A workflow of one API block with the key `call`. `positive` and `negative` are
    {target: template}."""
    response = {
        tell: [{"from": source, "to": target} for target, source in settings.pop(tell).items()]
        for tell in ("positive", "negative")
        if tell in settings
    }
    block = {
        "key": "call",
        "kind": "api",
        "preset": f"{desk.vendor}.{preset}" if preset else "",
        "credentials": settings.pop("credentials", desk.credentials.name),
        "settings": {**settings, **({"response": response} if response else {})},
        "exits": {"success": "end", "failure": "end"},
    }
    return make_workflow([block], application=desk.application if users else None)


def step_of(
    desk: Desk,
    preset: str,
    records: Sequence[Person | SaaSUser],
    item: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Step:
    """A batch at such a block."""
    users = bool(records) and isinstance(records[0], SaaSUser)
    workflow = api_workflow(desk, preset, users=users, **settings)
    return make_step(workflow, "call", records, **(item or {}))


def call_all(
    desk: Desk, preset: str, records: Sequence[Person | SaaSUser], **settings: Any
) -> list[Outcome]:
    """What becomes of each record."""
    return run_step(step_of(desk, preset, records, **settings))


def call_one(desk: Desk, preset: str, record: Person | SaaSUser, **settings: Any) -> Outcome:
    """What becomes of one record."""
    (outcome,) = call_all(desk, preset, [record], **settings)
    return outcome


def plan_one(desk: Desk, preset: str, record: Person | SaaSUser, **settings: Any) -> Planned:
    """What would become of one record."""
    (planned,) = plan_step(step_of(desk, preset, [record], **settings))
    return planned
