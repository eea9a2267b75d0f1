"""What a run did, record by record: its applied plan rows, put together and read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from integrations.models import PlannedChange, SyncRun

Action, State = PlannedChange.Action, PlannedChange.State
Changes = dict[str, list[Any]]


@dataclass(frozen=True)
class Scope:
    """The run to be undone, and the vendor's account whose records it read."""

    run: SyncRun
    vendor: str
    tenant: str
    integration_id: int


@dataclass(slots=True)
class Record:
    """A person or account that the run wrote, and the ids of the plan rows that say how."""

    object: str
    target_id: int
    rows: list[int] = field(default_factory=list)
    created: bool = False
    moves_keys: bool = False


@dataclass(frozen=True, slots=True)
class LinkUse:
    """How the run came to a record's link: there was none (`made`), or it joined the target."""

    external_id: str
    made: bool
    joined: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What the run did to one record: the first old and the last new value of each field."""

    object: str
    target_id: int
    created: bool
    key: str
    external_id: str
    changes: Changes
    links: tuple[LinkUse, ...]


@dataclass
class Index:
    """Every record that the run wrote, by what has to be done with it."""

    users: list[Record] = field(default_factory=list)
    created_people: list[Record] = field(default_factory=list)
    key_moves: list[Record] = field(default_factory=list)
    other_people: list[Record] = field(default_factory=list)

    @property
    def total(self) -> int:
        lists = (self.users, self.created_people, self.key_moves, self.other_people)
        return sum(len(records) for records in lists)

    def without(self, done: set[tuple[str, int]]) -> Index:
        """The same without records that were dealt with."""

        def left(records: list[Record]) -> list[Record]:
            return [one for one in records if (one.object, one.target_id) not in done]

        return Index(
            left(self.users),
            left(self.created_people),
            left(self.key_moves),
            left(self.other_people),
        )


def applied_rows(run: SyncRun) -> QuerySet[PlannedChange]:
    """The rows that this run applied: its own, and held ones of earlier runs."""
    own = Q(run=run.pk, applied_in__isnull=True)
    return PlannedChange.objects.filter(own | Q(applied_in=run.pk), state=State.APPLIED)


def read_index(run: SyncRun) -> Index:
    """Read which records the run wrote, without the values. One query."""
    records: dict[tuple[str, int], Record] = {}
    rows = applied_rows(run).filter(target_id__isnull=False).order_by("target_id", "pk")
    columns = ("pk", "object", "target_id", "action", "moves_keys")
    for pk, kind, target, action, moves_keys in rows.values_list(*columns):
        record = records.setdefault((kind, target), Record(kind, target))
        record.rows.append(pk)
        record.created = record.created or action == Action.CREATE
        record.moves_keys = record.moves_keys or moves_keys
    index = Index()
    for record in records.values():
        if record.object == "saas_user":
            index.users.append(record)
        elif record.created:
            index.created_people.append(record)
        elif record.moves_keys:
            index.key_moves.append(record)
        else:
            index.other_people.append(record)
    return index


def read_effects(records: Sequence[Record]) -> list[Effect]:
    """What the run did to these records. One query."""
    pks = [pk for record in records for pk in record.rows]
    columns = ("pk", "key", "external_id", "link_id", "action", "changes")
    rows = {row["pk"]: row for row in PlannedChange.objects.filter(pk__among=pks).values(*columns)}
    return [_effect(record, [rows[pk] for pk in record.rows if pk in rows]) for record in records]


def _effect(record: Record, rows: Sequence[dict[str, Any]]) -> Effect:
    changes: Changes = {}
    for row in rows:
        for name, (old, new) in row["changes"].items():
            changes[name] = [changes[name][0] if name in changes else old, new]
    return Effect(
        object=record.object,
        target_id=record.target_id,
        created=record.created,
        key=rows[-1]["key"] if rows else "",
        external_id=rows[-1]["external_id"] if rows else "",
        changes={name: pair for name, pair in changes.items() if pair[0] != pair[1]},
        links=tuple(_link_uses(rows)),
    )


def _link_uses(rows: Sequence[dict[str, Any]]) -> Iterator[LinkUse]:
    for external_id in dict.fromkeys(row["external_id"] for row in rows):
        own = [row for row in rows if row["external_id"] == external_id]
        made = any(row["link_id"] is None and row["action"] != Action.DEACTIVATE for row in own)
        joins = any(row["action"] in {Action.LINK, Action.CREATE} for row in own)
        yield LinkUse(external_id, made=made, joined=joins)
