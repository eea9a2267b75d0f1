"""Which records match Begin's rules now: found in the tables, in batches and in the order of ids.

A condition in SQL leaves out what certainly does not match; of the rest only the columns that the
rules name are read, and the plain check decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.rules import compile_rules
from people.identity import email_key, username_key
from people.listing import plain
from people.models import Person
from people.queries import PERSON_FIELDS
from saas.models import SaaSUser
from saas.queries import roles_held
from workflows.definition import BeginPart
from workflows.facts import SAAS_FIELDS, vendor_keys_of
from workflows.judging import Judge, fields_in, flat, judge_of, judge_with, rows_in
from workflows.models import Workflow
from workflows.records import DEACTIVATED

__all__ = [
    "Judge",
    "Row",
    "count_matching",
    "fields_in",
    "flat",
    "judge_of",
    "judge_with",
    "matching_ids",
    "matching_values",
    "rows_in",
    "values_by_id",
]

BATCH = 2_000
_KEYS: Mapping[str, tuple[str, Callable[[str], str | None]]] = {
    "email": ("email_key", email_key),
    "username": ("username_key", username_key),
}
_COLUMNS = {"department": "department__name", "manager": "manager__email", "role": "role__name"}

Row = Mapping[str, Any]
Read = Callable[[Row], Any]


def matching_ids(
    workflow: Workflow,
    begin: BeginPart,
    *,
    now: datetime,
    among: Sequence[int] | None = None,
) -> Iterator[list[int]]:
    """Ids of the records that match now, in batches and in order; `among` looks at these only.

    One query for custom fields, then one for each 2,000 records, two where rules name roles.
    `changed` and `changed_to` never hold here: no event asks. Raises RuleInvalid.
    """
    for rows in matching_values(workflow, begin, frozenset(), now=now, among=among):
        yield [pk for pk, _values in rows]


def matching_values(
    workflow: Workflow,
    begin: BeginPart,
    names: frozenset[str],
    *,
    now: datetime,
    among: Sequence[int] | None = None,
) -> Iterator[list[tuple[int, Row]]]:
    """As `matching_ids`, each id with the values of these fields and of those the rules name."""
    judge = judge_of(workflow, begin, now=now, zone=timezone.get_default_timezone())
    reader = _Reader(workflow, judge.fields | names)
    for rows in _batches(_candidates(workflow, judge), reader, among):
        matching = [one for one in rows if judge.rule(one[1], judge.context)]
        if matching:
            yield matching


def values_by_id(workflow: Workflow, names: frozenset[str], ids: Sequence[int]) -> dict[int, Row]:
    """These fields of these records, flat; records that are gone are left out.

    One query, two where `roles` are named.
    """
    reader = _Reader(workflow, names)
    rows = _all_records(workflow).filter(pk__among=ids).values("pk", *reader.columns)
    return dict(reader.read(list(rows)))


def count_matching(workflow: Workflow, begin: BeginPart, *, now: datetime) -> int:
    """How many records match now. As `matching_ids`; without rules two queries."""
    if not any(True for _field in fields_in(begin.rules)):
        judge = judge_of(workflow, begin, now=now, zone=timezone.get_default_timezone())
        return _candidates(workflow, judge).count()
    return sum(len(ids) for ids in matching_ids(workflow, begin, now=now))


def _batches(
    candidates: QuerySet[Any], reader: _Reader, among: Sequence[int] | None
) -> Iterator[list[tuple[int, Row]]]:
    rows = candidates.order_by("pk").values("pk", *reader.columns)
    if among is not None:
        ids = sorted(set(among))
        for start in range(0, len(ids), BATCH):
            yield reader.read(list(rows.filter(pk__among=ids[start : start + BATCH])))
        return
    last = 0
    while found := list(rows.filter(pk__gt=last)[:BATCH]):
        yield reader.read(found)
        last = found[-1]["pk"]
        if len(found) < BATCH:
            return


# What SQL leaves out.


def _candidates(workflow: Workflow, judge: Judge) -> QuerySet[Any]:
    """A superset of what matches."""
    records = _all_records(workflow)
    if judge.records != "all":
        gone = Q(status=DEACTIVATED)
        records = records.filter(gone if judge.records == DEACTIVATED else ~gone)
    return records.filter(_superset(judge.rules, workflow, judge) or Q())


def _all_records(workflow: Workflow) -> QuerySet[Any]:
    if workflow.object == Workflow.Object.PERSON:
        return Person.objects.all()
    return SaaSUser.objects.filter(application=workflow.application_id)


def _superset(rules: Any, workflow: Workflow, judge: Judge) -> Q | None:
    """A condition that holds for all that the rules accept; None where none is known."""
    if isinstance(rules, list):
        rules = {"all": rules}
    if not isinstance(rules, Mapping) or not rules:
        return None
    if "field" in rules:
        return _superset_of_row(rules, workflow, judge)
    found = Q()
    for part in rules.get("all") or []:
        found &= _superset(part, workflow, judge) or Q()
    either = [_superset(part, workflow, judge) for part in rules.get("any") or []]
    known = [one for one in either if one is not None]
    if known and len(known) == len(either):
        any_of = Q()
        for one in known:
            any_of |= one
        found &= any_of
    return found or None


def _superset_of_row(row: Row, workflow: Workflow, judge: Judge) -> Q | None:
    name, value = row["field"], row.get("value")
    if name == "status":
        model = Person if workflow.object == Workflow.Object.PERSON else SaaSUser
        rule = compile_rules(row, fields=judge.types, on_changes=judge.own)
        accepted = [one for one in model.Status.values if rule({"status": one}, judge.context)]
        return Q(status__in=accepted)
    of_users = workflow.object == Workflow.Object.SAAS_USER
    if name not in _KEYS or (of_users and name == "username"):
        return None
    if row.get("operator") not in {"equals", "in"}:
        return None
    given = value if isinstance(value, list) else [value]
    wanted = [one for one in given if isinstance(one, str) and one.isascii()]
    # Equal without regard to case means an equal key where it is plain ASCII; not in every script.
    if len(wanted) < len(given):
        return None
    column, key = _KEYS[name]
    return Q(**{f"{column}__in": [key(one) for one in wanted]})


# Reading only what the rules name.


class _Reader:
    """Reads the named values of each row, exactly as `read_records` gives them."""

    def __init__(self, workflow: Workflow, names: frozenset[str]) -> None:
        self._columns: set[str] = set()
        self._wants_roles = False
        of_people = workflow.object == Workflow.Object.PERSON
        self._application = workflow.application
        self._vendor_keys = vendor_keys_of(workflow.application)
        make = self._of_person if of_people else self._of_user
        self._reads: dict[str, Read] = {name: make(name) for name in sorted(names)}

    @property
    def columns(self) -> list[str]:
        """The columns to read, besides the id."""
        return sorted(self._columns)

    def read(self, rows: Sequence[Row]) -> list[tuple[int, Row]]:
        """Give id and flat values of each row. A query where roles are named."""
        held = roles_held([row["pk"] for row in rows]) if self._wants_roles else {}
        reads = self._reads.items()
        found: list[tuple[int, Row]] = []
        for row in rows:
            values = {name: read(row) for name, read in reads}
            if self._wants_roles:
                values["roles"] = [one["role"] for one in held.get(row["pk"], [])]
            found.append((row["pk"], values))
        return found

    def _of_person(self, name: str, prefix: str = "") -> Read:
        key = name.removeprefix("person.")
        if key in PERSON_FIELDS:
            column = self._column(prefix + _COLUMNS.get(key, key))
            return lambda row: plain(row[column])
        column = self._column(f"{prefix}custom")
        return lambda row: (row[column] or {}).get(key)

    def _of_user(self, name: str) -> Read:
        if name.startswith("application."):
            value = getattr(self._application, name.removeprefix("application."))
            return lambda _row: value
        if name.startswith("person."):
            return self._of_person(name, "person__")
        if name == "roles":
            self._wants_roles = True
            return lambda _row: None
        if name in self._vendor_keys or name in SAAS_FIELDS:
            own = self._column("external_id" if name in self._vendor_keys else name)
            return lambda row: plain(row[own])
        custom, of_person = self._column("custom"), self._of_person(name, "person__")
        return lambda row: row[custom][name] if name in row[custom] else of_person(row)

    def _column(self, name: str) -> str:
        self._columns.add(name)
        return name
