"""What the planner holds of one batch: staged records, and everything of ours that they touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.sync.links import Link


class Staged(NamedTuple):
    """A staged record as the planner reads it; `people` are mapped values, see `Mapper`."""

    external_id: str
    key: str
    email_key: str | None
    username_key: str | None
    employee_id: str | None
    outcome: str
    active: bool
    people: Mapping[str, Any]
    user: Mapping[str, Any]
    roles: Sequence[Sequence[str]] | None
    status: str | None
    problem: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """What this run's listing says of a record: is it active, and under which keys."""

    active: bool
    email_key: str | None
    username_key: str | None
    outcome: str

    def has_other(self, name: str, key: str | None) -> bool:
        """Whether it has an e-mail (username) that is another than this one, so gives it up."""
        return getattr(self, f"{name}_key") not in (None, key)


@dataclass
class Records:
    """A batch of staged records and everything of ours that they touch."""

    staged: list[Staged]
    links: dict[str, Link] = field(default_factory=dict)
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    by_email: dict[str, int] = field(default_factory=dict)
    by_username: dict[str, int] = field(default_factory=dict)
    by_employee_id: dict[str, list[int]] = field(default_factory=dict)
    by_unique: dict[tuple[str, str], int] = field(default_factory=dict)
    drawn_alike: dict[str, int] = field(default_factory=dict)
    links_of: dict[int, list[Link]] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    # E-mails of the batch that look like one of another record of this listing.
    drawn_as_listed: set[str] = field(default_factory=set)
    # Keys of the batch's inactive, unlinked records that an active record has too (M-3).
    active_emails: set[str] = field(default_factory=set)
    active_employee_ids: set[str] = field(default_factory=set)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    roles: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    managers: dict[str, tuple[int | None, str]] = field(default_factory=dict)

    def link_id(self, one: Staged) -> int | None:
        """The id of the record's link, if it has one already."""
        link = self.links.get(one.external_id)
        return link.id if link else None

    def person_id(self, one: Staged) -> int | None:
        """The person that the record is linked to."""
        link = self.links.get(one.external_id)
        return link.person_id if link else None
