"""Writing what a file changes, row by row, so that the history has each. Inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from integrations import services
from integrations.configuration.check import field_row
from integrations.configuration.differences import Secrets
from integrations.configuration.schema import CredentialsPart, FieldPart, IntegrationPart
from integrations.configuration.world import Wanted
from integrations.errors import NotReady
from integrations.models import Credentials, FieldMapping, GlobalVariable, Integration
from integrations.sealing import Edit, lock_row, write_edit
from integrations.timetable import assign_schedule
from people.fields import change_field, make_field
from people.models import CustomField
from saas.models import Application

# A change of these makes the next sync look at every record again (M-1).
_LOOKED_AT_AGAIN = ("mappings", "filters", "preference", "priority", "user_selection")
# Launch binds these to the account, so a change of one is launched again.
_BOUND_AT_LAUNCH = ("application", "user_selection", "inputs", "credentials")
_LONGEST_REASON = 100


@dataclass(frozen=True)
class Author:
    """On whose behalf is written: `user` where the name is a user's."""

    name: str
    user: User | None

    def sign(self, row: Any) -> None:
        """Have the history name the author of the next save."""
        row._history_user = self.user  # noqa: SLF001 - the history's documented attribute
        row._change_reason = f"Configuration file, {self.name}"[:_LONGEST_REASON]


def write_variable(key: str, value: str, author: Author) -> None:
    """Make or change one variable. Three queries."""
    variable = GlobalVariable.objects.filter(key=key).first() or GlobalVariable(key=key)
    variable.value = value
    author.sign(variable)
    variable.save()


def write_field(object_: str, wish: Wanted[FieldPart, CustomField]) -> None:
    """Make or change one field. Raises FieldInvalid, for example when values are not unique."""
    wanted = field_row(object_, wish)
    if wish.row is None:
        make_field(
            label=wanted.label,
            type=wanted.type,
            object=object_,
            unique=wanted.unique,
            visible_to_hr=wanted.visible_to_hr,
        )
    else:
        change_field(
            wish.row,
            label=wanted.label,
            type=wanted.type,
            unique=wanted.unique,
            visible_to_hr=wanted.visible_to_hr,
        )


def write_credentials(
    wish: Wanted[CredentialsPart, Credentials],
    secrets: Secrets,
    groups: Mapping[str, Group],
    author: Author,
) -> None:
    """Make or change credentials and seal what is new of their secrets. About four queries."""
    wanted = wish.wanted
    row = wish.row or Credentials(name=wish.key)
    lock_row(row)
    row.vendor, row.type, row.settings = wanted["vendor"], wanted["type"], wanted["settings"]
    row.tenant = wanted["tenant"]
    row.base_url, row.overrides = wanted["base_url"] or "", wanted["overrides"]
    row.expires_on = date.fromisoformat(wanted["expires_on"]) if wanted["expires_on"] else None
    if secrets.changed or secrets.moved or not wish.current or _reaches_elsewhere(wish):
        row.test_state, row.test_message, row.tested_at = Credentials.Test.UNTESTED, "", None
    author.sign(row)
    edit = Edit(
        by=author.name,
        secrets=secrets.changed,
        changed=_changed_keys(wish),
        anew=secrets.start_anew,
        references=secrets.references,
    )
    write_edit(row, edit)
    if not wish.current or wish.current["groups"] != wanted["groups"]:
        row.groups.set([groups[name] for name in wanted["groups"]])


def _changed_keys(wish: Wanted[CredentialsPart, Credentials]) -> set[str]:
    """What a grant depends on and the file changes, such as `settings.scope`."""
    old, new = wish.current or {}, wish.wanted
    was, becomes = old.get("settings") or {}, new["settings"] or {}
    changed = {
        f"settings.{name}"
        for name in {*was, *becomes}
        if wish.current and was.get(name) != becomes.get(name)
    }
    return changed | {key for key in ("type", "base_url") if old and old.get(key) != new[key]}


def _reaches_elsewhere(wish: Wanted[CredentialsPart, Credentials]) -> bool:
    """Say whether an earlier test says nothing about these credentials any more."""
    old, new = wish.current or {}, wish.wanted
    return any(old.get(key) != new[key] for key in ("type", "settings", "base_url", "overrides"))


def write_integration(wish: Wanted[IntegrationPart, Integration], author: Author) -> Integration:
    """Make or change an integration and its mappings; its state is left to `write_state`."""
    wanted = wish.wanted
    row = wish.row or Integration(name=wish.key, vendor=wanted["vendor"], load=wanted["load"])
    for key in (
        "user_selection",
        "installation",
        "preference",
        "priority",
        "inputs",
        "filters",
        "missing_users",
        "missing_people",
        "protected",
        "notify",
    ):
        setattr(row, key, wanted[key])
    limits = wanted["limits"] or {}
    row.removals_percent = limits.get("removals_percent")
    row.removals_count = limits.get("removals_count")
    assign_schedule(row, wanted["schedule"], now=timezone.now())
    if wanted["application"] is not None:
        row.application = Application.objects.get_or_create(name=wanted["application"])[0]
    elif row.state == Integration.State.DRAFT:
        row.application = None  # A launched one keeps the application that it is bound to.
    row.credentials = (
        Credentials.objects.get(name=wanted["credentials"]) if wanted["credentials"] else None
    )
    row.run_as = User.objects.get_by_natural_key(wanted["run_as"]) if wanted["run_as"] else None
    row.updated_at = timezone.now()
    if not wish.current or _differs(wish, set(wanted) - {"mappings", "state"}):
        author.sign(row)
        row.save()
    if not wish.current or _differs(wish, {"mappings"}):
        _write_mappings(row, wanted["mappings"], author)
    return row


def _differs(wish: Wanted[IntegrationPart, Integration], keys: set[str]) -> bool:
    current = wish.current or {}
    return any(current.get(key) != wish.wanted[key] for key in keys)


def _write_mappings(row: Integration, wanted: list[Mapping[str, Any]], author: Author) -> None:
    """Make the mappings exactly these. Up to two queries per mapping that differs."""
    old = {mapping.target: mapping for mapping in FieldMapping.objects.filter(integration=row)}
    for target in old.keys() - {one["target"] for one in wanted}:
        mapping = old.pop(target)
        author.sign(mapping)
        mapping.delete()
    # Two mappings may swap their numbers, and a number is used once.
    FieldMapping.objects.filter(integration=row).update(sync_key=None)
    for position, one in enumerate(wanted):
        mapping = old.get(one["target"]) or FieldMapping(integration=row, target=one["target"])
        values = {
            "source": one.get("source", ""),
            "constant": one.get("constant"),
            "transform": one.get("transform", ""),
            "sync_key": one.get("sync_key"),
            "policy": one.get("policy", FieldMapping.Policy.ALWAYS),
            "position": position,
        }
        if mapping.pk and all(getattr(mapping, key) == new for key, new in values.items()):
            FieldMapping.objects.filter(pk=mapping.pk).update(sync_key=mapping.sync_key)
            continue
        for key, new in values.items():
            setattr(mapping, key, new)
        author.sign(mapping)
        mapping.save()


def write_state(
    wish: Wanted[IntegrationPart, Integration], row: Integration, author: Author
) -> None:
    """Launch, launch again or pause, as the file says; nothing is sent to the vendor.

    Raises NotReady when what is stored now may not be launched.
    """
    state, states = wish.wanted["state"], Integration.State
    was = wish.current["state"] if wish.current else states.DRAFT
    author.sign(row)
    if state == was and not (state != states.DRAFT and _differs(wish, set(_BOUND_AT_LAUNCH))):
        if state != states.DRAFT and (problems := services.problems_before_launch(row)):
            raise NotReady(problems)
        return
    if state != states.DRAFT:
        services.launch(row, by=author.name, test=False)
    if state == states.PAUSED:
        services.pause(row, by=author.name)


def needs_another_look(wish: Wanted[IntegrationPart, Integration]) -> bool:
    """Say whether the next sync must look at every record again (M-1); a new one does anyway."""
    return wish.current is not None and _differs(wish, set(_LOOKED_AT_AGAIN))
