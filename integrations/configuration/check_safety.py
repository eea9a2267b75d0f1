"""Is what the file wants of schedules, limits, protected people and mails possible? Reads only."""

from __future__ import annotations

from integrations.addresses import is_address
from integrations.configuration.problems import Problems
from integrations.configuration.schema import IntegrationPart
from integrations.configuration.world import Wanted, World
from integrations.errors import ScheduleInvalid
from integrations.models import Integration
from integrations.own_limits import limits_that_raise
from integrations.schedules import read_schedule
from saas.models import Application

Wish = Wanted[IntegrationPart, Integration]
_LONGEST_NAME = 320


def check_schedule(wish: Wish, problems: Problems) -> None:
    """Each mistake of the schedule at its key."""
    if not wish.wanted["schedule"]:
        return
    try:
        read_schedule(wish.wanted["schedule"])
    except ScheduleInvalid as mistakes:
        for one in mistakes.problems:
            steps = [int(step) if step.isdigit() else step for step in one.field.split(".") if step]
            problems.add((*wish.path, "schedule", *steps), one.message)


def check_removals(wish: Wish, world: World, problems: Problems) -> None:
    """Own limits that lower something, names of whom to protect, addresses to tell."""
    wanted, path = wish.wanted, wish.path
    for number, name in enumerate(wanted["protected"]):
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            problems.add((*path, "protected", number), "must be an e-mail or an id")
    for number, address in enumerate(wanted["notify"]):
        if not is_address(address):
            shown = address[:80]
            problems.add((*path, "notify", number), f'"{shown}" is not an e-mail address')
    limits = wanted["limits"] or {}
    if wish.current is not None and limits == wish.current["limits"]:
        return  # A limit above that was lowered later is no mistake of this file.
    accounts = wanted["user_selection"] == Integration.UserSelection.USER_PLUS_SAAS_USER
    known = world.applications.get(wanted["application"] or "")
    people = not accounts or wanted["missing_people"] == Integration.Missing.DEACTIVATE
    for one in limits_that_raise(
        percent=limits.get("removals_percent"),
        count=limits.get("removals_count"),
        application=(known or Application(name=wanted["application"] or "")) if accounts else None,
        installation=world.installation if people else None,
    ):
        problems.add((*path, "limits", one.field), one.message)
