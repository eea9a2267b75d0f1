"""Sections of the file that apps above bring: they register here, and are handed what they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from integrations.configuration.check import field_row
from integrations.configuration.problems import Problems
from integrations.configuration.receipt import Change
from integrations.configuration.schema import Part
from integrations.configuration.world import Wanted, Wishes, World
from integrations.configuration.write import Author
from integrations.models import Credentials, Integration
from integrations.registry import vendors
from people.models import CustomField
from saas.models import Application

_OF_INTEGRATIONS = ("vendor", "load", "user_selection", "installation", "inputs", "state")


@dataclass(frozen=True)
class After:
    """What there will be once the sections of this app are written; what is new is unsaved.

    `with_secrets` are the names of credentials that will hold all that they need.
    """

    variables: Mapping[str, str]
    fields: Sequence[CustomField]
    credentials: Mapping[str, Credentials]
    with_secrets: frozenset[str]
    integrations: Sequence[Integration]
    applications: Mapping[str, Application]


class Work(Protocol):
    """What a section found out: what it changes and remarks on, and how that is written."""

    @property
    def changes(self) -> Sequence[Change]:
        """What differs from what is stored, in the order of the file."""

    @property
    def notes(self) -> Sequence[str]:
        """What the reader should know."""

    def write(self, problems: Problems) -> None:
        """Make it so, inside a transaction. Raises ConfigurationRefused."""


class Section(Protocol):
    """One key of the file with a list of named things. `parts` are its shapes by their place."""

    name: str
    parts: Mapping[str, type[Part]]

    def prepare(
        self, said: Sequence[Any], after: After, author: Author, problems: Problems
    ) -> Work:
        """Check and compare what the file says; notes every mistake. Writes nothing."""

    def export(self) -> list[dict[str, Any]]:
        """What there is, in a stable order."""


SECTIONS: list[Section] = []


def look_ahead(
    wishes: Wishes, world: World, variables: Mapping[str, str], with_secrets: frozenset[str]
) -> After:
    """Put what the file wants over what is stored, in memory. No query."""
    fields = {**world.fields}
    for object_, field in wishes.fields:
        fields[object_, field.key] = field_row(object_, field)
    credentials = {**world.credentials} | {one.key: _credentials(one) for one in wishes.credentials}
    applications = {**world.applications}
    integrations = {**world.integrations}
    for wish in wishes.integrations:
        integrations[wish.key] = _integration(wish, credentials, applications)
    return After(
        variables=variables,
        fields=list(fields.values()),
        credentials=credentials,
        with_secrets=with_secrets,
        integrations=list(integrations.values()),
        applications=applications,
    )


def _credentials(wish: Wanted[Any, Credentials]) -> Credentials:
    wanted = wish.wanted
    row = Credentials(name=wish.key, vendor=wanted["vendor"], type=wanted["type"])
    row.pk = wish.row.pk if wish.row is not None else None
    row.tenant, row.stored = wanted["tenant"], wanted["stored"]
    return row


def _integration(
    wish: Wanted[Any, Integration],
    credentials: Mapping[str, Credentials],
    applications: dict[str, Application],
) -> Integration:
    """The integration as it is to become; the application that it brings is added to the others."""
    wanted = wish.wanted
    row = Integration(name=wish.key, **{name: wanted[name] for name in _OF_INTEGRATIONS})
    row.tenant = wish.row.tenant if wish.row is not None else None
    row.credentials = credentials.get(wanted["credentials"] or "")
    vendor = vendors().get(wanted["vendor"])
    name = wanted["application"] or (vendor.label if vendor is not None else "")
    if name and wanted["user_selection"] == Integration.UserSelection.USER_PLUS_SAAS_USER:
        known = applications.get(name)
        if known is None or not known.vendor:
            known = Application(pk=known.pk if known else None, name=name, vendor=row.vendor)
            applications[name] = known
        row.application = known
    return row


def parts_of_sections() -> Iterator[tuple[str, type[Part]]]:
    """The shapes that sections bring, by their place in the file."""
    for section in SECTIONS:
        yield from section.parts.items()
