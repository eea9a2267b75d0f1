"""What a batch of undone records meets in our tables: rows, history, links, roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from integrations.models import LinkState, RecordLink, SyncRun
from integrations.sync.undo_rows import Effect, Scope, applied_rows
from people.models import Event, Person
from people.services import DATE_FIELDS, TEXT_FIELDS
from saas.models import SaaSUser
from saas.queries import roles_held

_PERSON_COLUMNS = (
    "id",
    *TEXT_FIELDS,
    *DATE_FIELDS,
    "status",
    "custom",
    "manager_id",
    "department__name",
    "role__name",
)
_USER_COLUMNS = ("id", "person_id", "email", "name", "status", "last_activity", "custom")


class Happened(NamedTuple):
    """An event as far as undoing asks for it."""

    pk: int
    source: str
    run_id: int | None
    actor: str
    at: datetime
    changes: Mapping[str, Sequence[Any]]

    @property
    def in_words(self) -> str:
        """Who did it and when, for a sentence."""
        return f"changed since by {self.actor} on {timezone.localdate(self.at).isoformat()}"


class KnownRun(NamedTuple):
    """A run that is named by an event."""

    integration_id: int | None
    undoes_id: int | None


@dataclass
class History:
    """The events of one record before and after the undone run's own; newest last."""

    earlier: list[Happened] = field(default_factory=list)
    later: list[Happened] = field(default_factory=list)

    def later_by_field(self, runs: Mapping[int, KnownRun]) -> dict[str, Happened]:
        """The newest later event of each field; what was undone meanwhile does not count."""
        touched: dict[str, Happened] = {}
        for number, event in enumerate(self.later):
            for name in event.changes:
                if not _cancelled(event, name, self.later[number + 1 :], runs) and not _cancels(
                    event, name, self.later[:number], runs
                ):
                    touched[name] = event
        return touched


def _cancelled(
    event: Happened, name: str, after: Iterable[Happened], runs: Mapping[int, KnownRun]
) -> bool:
    return any(_undoes(one, event, runs) and name in one.changes for one in after)


def _cancels(
    event: Happened, name: str, before: Iterable[Happened], runs: Mapping[int, KnownRun]
) -> bool:
    return any(_undoes(event, one, runs) and name in one.changes for one in before)


def _undoes(undo: Happened, event: Happened, runs: Mapping[int, KnownRun]) -> bool:
    known = runs.get(undo.run_id or 0)
    return (
        undo.source == Event.Source.UNDO
        and known is not None
        and event.run_id is not None
        and known.undoes_id == event.run_id
    )


class KnownLink(NamedTuple):
    """A link of a record; `new`: it came with the run or later.

    `shared`: another integration reads it, or a person decided about it since.
    """

    pk: int
    own_vendor: bool
    external_id: str
    person_id: int | None
    saas_user_id: int | None
    new: bool
    shared: bool


@dataclass
class Facts:
    """A batch of one object: what its records hold now, and what happened to them."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    history: dict[int, History] = field(default_factory=dict)
    runs: dict[int, KnownRun] = field(default_factory=dict)
    links: dict[int, list[KnownLink]] = field(default_factory=dict)
    roles: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    # Records whose account got its person in the undone run, by external id.
    joined: set[str] = field(default_factory=set)

    def touched(self, target: int) -> dict[str, Happened]:
        """Fields of the record that something newer wrote."""
        history = self.history.get(target)
        return history.later_by_field(self.runs) if history else {}


def read_facts(scope: Scope, effects: Sequence[Effect], *, lock: bool) -> Facts:
    """Read what a batch of one object meets; with `lock` the records wait. Up to eight queries."""
    facts = Facts()
    if not effects:
        return facts
    of_people = effects[0].object == "person"
    ids = [effect.target_id for effect in effects]
    model, columns = (Person, _PERSON_COLUMNS) if of_people else (SaaSUser, _USER_COLUMNS)
    found = model._default_manager.filter(pk__among=ids).order_by("pk")  # noqa: SLF001 - public
    if lock:
        list(found.select_for_update().values_list("pk", flat=True))
    facts.rows = {row["id"]: row for row in found.values(*columns)}
    _read_history(scope, facts, effects[0].object, ids)
    _read_links(scope, facts, ids, of_people=of_people)
    if of_people:
        accounts = applied_rows(scope.run).filter(
            object="saas_user", external_id__among=[effect.external_id for effect in effects]
        )
        facts.joined = {
            external_id
            for external_id, changes in accounts.values_list("external_id", "changes")
            if "person" in changes
        }
    else:
        facts.roles = roles_held(ids)
    return facts


def _read_history(scope: Scope, facts: Facts, kind: str, ids: Sequence[int]) -> None:
    """Two queries."""
    columns = ("object_id", "pk", "source", "run_id", "actor", "at", "changes")
    events = Event.objects.filter(object=kind, object_id__among=ids).order_by("pk")
    passed: set[int] = set()
    for object_id, *rest in events.values_list(*columns):
        event = Happened(*rest)
        history = facts.history.setdefault(object_id, History())
        if event.run_id == scope.run.pk:
            passed.add(object_id)
        elif object_id in passed:
            history.later.append(event)
        else:
            history.earlier.append(event)
    for object_id, history in facts.history.items():
        if object_id not in passed:
            _split_by_time(history, scope.run.queued_at)
    named = {
        event.run_id
        for history in facts.history.values()
        for event in (*history.earlier, *history.later)
        if event.run_id is not None
    }
    runs = SyncRun.objects.filter(pk__among=list(named))
    facts.runs = {
        pk: KnownRun(integration, undoes)
        for pk, integration, undoes in runs.values_list("pk", "integration_id", "undoes_id")
    }


def _split_by_time(history: History, began: datetime) -> None:
    """The run wrote no event of this record: what happened after it was queued is later."""
    history.later = [event for event in history.earlier if event.at >= began]
    history.earlier = [event for event in history.earlier if event.at < began]


def _read_links(scope: Scope, facts: Facts, ids: Sequence[int], *, of_people: bool) -> None:
    """Two queries."""
    owner = "person" if of_people else "saas_user"
    links = list(RecordLink.objects.filter(**{f"{owner}__among": ids}).order_by("pk"))
    others = LinkState.objects.filter(link__among=[link.pk for link in links]).exclude(
        integration=scope.integration_id
    )
    read_by_others = set(others.values_list("link_id", flat=True))
    for link in links:
        target = link.person_id if of_people else link.saas_user_id
        assert target is not None  # noqa: S101 - it was asked for by it
        facts.links.setdefault(target, []).append(
            KnownLink(
                link.pk,
                (link.vendor, link.tenant) == (scope.vendor, scope.tenant),
                link.external_id,
                link.person_id,
                link.saas_user_id,
                new=link.created_at >= scope.run.queued_at,
                shared=link.pk in read_by_others or _decided_since(link, scope.run),
            )
        )


def _decided_since(link: RecordLink, run: SyncRun) -> bool:
    return link.decided_at is not None and link.decided_at >= run.queued_at
