"""What is stored now, and what the file wants of it: read once, compared in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.contrib.auth.models import Group, User

from integrations.configuration.describe import (
    defaults,
    describe_credentials,
    describe_field,
    describe_integration,
    said,
)
from integrations.configuration.problems import Path, Problems, shown
from integrations.configuration.schema import (
    CredentialsPart,
    FieldPart,
    File,
    IntegrationPart,
    Part,
)
from integrations.models import Credentials, GlobalVariable, Installation, Integration
from people.errors import FieldInvalid
from people.fields import field_key
from people.models import CustomField, PersonRole
from people.queries import Target, mapping_targets
from saas.models import Application

OBJECTS: Mapping[str, str] = {
    "people_fields": CustomField.Object.PERSON.value,
    "saas_user_fields": CustomField.Object.SAAS_USER.value,
}
P = TypeVar("P", bound=Part)
R = TypeVar("R", CustomField, Credentials, Integration)


@dataclass(frozen=True)
class Wanted(Generic[P, R]):
    """One named thing of the file; `row` and `current` are None when it is new.

    `wanted` is what is stored, or the defaults, with what the file says put over it. `key` is what
    it is told apart by: its name, or the key of a field.
    """

    path: Path
    key: str
    part: P
    row: R | None
    current: Mapping[str, Any] | None
    wanted: Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """What is stored, by name."""

    variables: Mapping[str, str]
    fields: Mapping[tuple[str, str], CustomField]
    credentials: Mapping[str, Credentials]
    integrations: Mapping[str, Integration]
    applications: Mapping[str, Application]
    usernames: frozenset[str]
    groups: Mapping[str, Group]
    roles: frozenset[str]
    targets: Mapping[str, Target]
    installation: Installation


def read_world() -> World:
    """Read everything that a configuration file can name. About thirteen queries."""
    integrations = Integration.objects.select_related("application", "credentials", "run_as").defer(
        "credentials__sealed"
    )
    return World(
        variables=dict(GlobalVariable.objects.values_list("key", "value")),
        fields={(field.object, field.key): field for field in CustomField.objects.all()},
        credentials={row.name: row for row in Credentials.objects.prefetch_related("groups")},
        integrations={row.name: row for row in integrations.prefetch_related("mappings")},
        applications={row.name: row for row in Application.objects.all()},
        usernames=frozenset(
            User.objects.filter(is_active=True).values_list(User.USERNAME_FIELD, flat=True)
        ),
        groups={group.name: group for group in Group.objects.all()},
        roles=frozenset(PersonRole.objects.values_list("name", flat=True)),
        targets=mapping_targets(),
        installation=Installation.objects.first() or Installation(),
    )


@dataclass(frozen=True)
class Wishes:
    """The whole file, thing by thing, set against what is stored."""

    variables: Mapping[str, str]
    fields: Sequence[tuple[str, Wanted[FieldPart, CustomField]]]
    credentials: Sequence[Wanted[CredentialsPart, Credentials]]
    integrations: Sequence[Wanted[IntegrationPart, Integration]]


def read_wishes(file: File, world: World, problems: Problems) -> Wishes:
    """Find the row of each named thing; a name that stands twice is a mistake. No query."""
    return Wishes(
        variables=file.variables,
        fields=[
            (object_, wanted)
            for section, object_ in OBJECTS.items()
            for wanted in _fields(section, object_, getattr(file, section), world, problems)
        ],
        credentials=_by_name(
            "credentials", file.credentials, world.credentials, describe_credentials, problems
        ),
        integrations=_by_name(
            "integrations", file.integrations, world.integrations, describe_integration, problems
        ),
    )


def _fields(
    section: str, object_: str, parts: Sequence[FieldPart], world: World, problems: Problems
) -> list[Wanted[FieldPart, CustomField]]:
    wishes = []
    seen: dict[str, Path] = {}
    for number, part in enumerate(parts):
        path: Path = (section, number)
        try:
            key = field_key(part.label)
        except FieldInvalid as problem:
            problems.add((*path, "label"), str(problem))
            continue
        if _is_first(key, (*path, "label"), seen, problems):
            row = world.fields.get((object_, key))
            wanted = _wanted(path, key, part, row, describe_field(row) if row else None)
            wishes.append(wanted)
    return wishes


def _by_name(
    section: str,
    parts: Sequence[P],
    rows: Mapping[str, R],
    describe: Callable[[R], dict[str, Any]],
    problems: Problems,
) -> list[Wanted[P, R]]:
    wishes = []
    seen: dict[str, Path] = {}
    for number, part in enumerate(parts):
        path: Path = (section, number)
        name = str(part.given()["name"])
        if _is_first(name, (*path, "name"), seen, problems):
            row = rows.get(name)
            wishes.append(_wanted(path, name, part, row, describe(row) if row else None))
    return wishes


def _wanted(
    path: Path, key: str, part: P, row: R | None, current: dict[str, Any] | None
) -> Wanted[P, R]:
    merged = {**(current or defaults(type(part))), **said(part)}
    wanted = {name: merged[name] for name in type(part).model_fields if name in merged}
    return Wanted(path, key, part, row, current, wanted)


def _is_first(key: str, path: Path, seen: dict[str, Path], problems: Problems) -> bool:
    if key in seen:
        line = problems.line_of(seen[key])
        problems.add(path, f"stands in line {line} already ({shown(seen[key][:2])})")
        return False
    seen[key] = path
    return True
