"""What somebody is told before a workflow is activated: whom it means now, and what it would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from integrations.guard import Room
from integrations.sync.protect import administrators
from saas.models import Application, SaaSUser
from workflows.calls import Call, Switch, read_calls
from workflows.counters import rooms_by_block
from workflows.definition import Definition
from workflows.errors import Mistake
from workflows.facts import Facts, read_facts
from workflows.kinds import find_kind
from workflows.models import Workflow
from workflows.records import read_records
from workflows.rules import matching_values

_NAMED = 5  # of those who lack something


@dataclass(frozen=True)
class Lacking:
    """A field that a block needs and that matching records have empty; `first` are some of them."""

    field: str
    count: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        more = self.count - len(self.first)
        named = ", ".join(self.first) + (f" and {more:,} more" if more > 0 else "")
        return f"{self.count:,} {_verb(self.count, 'lack')} {self.field} ({named})"


@dataclass(frozen=True)
class BlockReady:
    """One block that calls a vendor: what it sends where, for whom it cannot, what it would end.

    `ends` are sentences about switches that take something away (AH-42).
    """

    call: Call
    lacking: tuple[Lacking, ...] = ()
    ends: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """`"Disable" calls PUT on Aha! (mycompany.aha.io) with the credentials "Aha"."""
        call = self.call
        where = f"{call.vendor} ({call.host})" if call.host else call.vendor
        worst = " It takes accounts or access away." if call.destructive else ""
        return (
            f'"{call.label}" {call.verb} {where} with the credentials "{call.credentials}".{worst}'
        )


@dataclass(frozen=True)
class Readiness:
    """`must_type` is the number of records that has to be typed, where more than `limit` are meant.

    `matching` counts the records of now; a workflow that only archiving starts is for the
    deactivated ones.
    """

    matching: int
    blocks: tuple[BlockReady, ...]
    is_destructive: bool
    limit: int | None
    must_type: int | None
    sentences: tuple[str, ...] = field(default=())

    @property
    def headline(self) -> str:
        """`Matches 214 records now, 3 lack aha_user_id, calls DELETE on GoTo.`"""
        parts = [f"Matches {self.matching:,} {_records(self.matching)} now"]
        lacks: dict[str, int] = {}
        for block in self.blocks:
            for one in block.lacking:
                lacks[one.field] = max(one.count, lacks.get(one.field, 0))
        parts += [f"{n:,} {_verb(n, 'lack')} {name}" for name, n in lacks.items()]
        parts += dict.fromkeys(f"{one.call.verb} {one.call.vendor}" for one in self.blocks)
        said = ", ".join(parts)
        return said if said.endswith("!") else f"{said}."  # as the name of a vendor does


def readiness(
    workflow: Workflow, definition: Definition, *, now: datetime, starts_all: bool = False
) -> Readiness:
    """What is told before activating a definition without mistakes, or starting it for all.

    Activating does nothing to those who were archived before, so their number is not asked for.
    Some twenty queries, and those of `matching_ids`. Raises RuleInvalid for rules with mistakes.
    """
    facts = read_facts(workflow)
    measured = measure(workflow, definition, facts, now=now)
    rooms = _rooms(workflow, definition, [one.call for one in measured.blocks], now)
    limit = min((room.limit for room in rooms), default=None)
    takes_all = starts_all or set(definition.begin.actions) != {"archive"}
    over = limit is not None and measured.matching > limit and takes_all
    ready = Readiness(
        matching=measured.matching,
        blocks=measured.blocks,
        is_destructive=bool(rooms),
        limit=limit,
        must_type=measured.matching if over else None,
    )
    return replace(ready, sentences=tuple(_sentences(ready, rooms)))


def limit_of_removals(workflow: Workflow, definition: Definition, now: datetime) -> int | None:
    """The least that the counters of its blocks allow; None where it takes nothing away.

    Some fifteen queries.
    """
    calls = read_calls(definition, read_facts(workflow))
    return min((room.limit for room in _rooms(workflow, definition, calls, now)), default=None)


def calls_in_words(workflow: Workflow, definition: Definition) -> list[str]:
    """A sentence for each block that calls a vendor, whoever the records are. Some ten queries."""
    facts = read_facts(workflow)
    return [BlockReady(call).sentence for call in read_calls(definition, facts)]


@dataclass(frozen=True)
class Measured:
    """How many records match, and what that means for each block that calls a vendor."""

    matching: int
    blocks: tuple[BlockReady, ...]


def measure(workflow: Workflow, definition: Definition, facts: Facts, *, now: datetime) -> Measured:
    """Count over the records that match now. As `readiness`, without what the guard says."""
    calls = read_calls(definition, facts)
    needed = frozenset(name for call in calls for name in call.needs)
    counting = _Counting(workflow, calls)
    for rows in matching_values(workflow, definition.begin, needed, now=now):
        counting.take(rows)
    return Measured(counting.matching, counting.blocks())


def warnings_of(measured: Measured, hidden: frozenset[str] = frozenset()) -> Iterator[Mistake]:
    """What Validate tells of the records that match now, without hidden fields (GT-13, AH-42)."""
    of = f"Of the {measured.matching:,} {_records(measured.matching)} that match now"
    for block in measured.blocks:
        for one in block.lacking:
            if one.field in hidden:
                continue
            yield Mistake(
                block.call.key,
                "settings",
                f"{of}, {one}. "
                "For them nothing is sent, and the block is left by its failure exit. Let a load "
                "fill the field, or leave them out by a rule of Begin.",
                warning=True,
            )
        for text in block.ends:
            yield Mistake(block.call.key, "settings.inputs", text, warning=True)


class _Counting:
    """Counts batch by batch; holds few names, and one number per field."""

    def __init__(self, workflow: Workflow, calls: Sequence[Call]) -> None:
        self.matching = 0
        self._workflow = workflow
        self._calls = calls
        self._empty: Counter[str] = Counter()
        self._first: dict[str, list[int]] = {}
        self._switches = [(call, one) for call in calls for one in call.switches]
        self._ended: Counter[tuple[str, str]] = Counter()
        self._accounts = _applications([call for call, _switch in self._switches])

    def take(self, rows: Sequence[tuple[int, Mapping[str, object]]]) -> None:
        """Count these too. A query for each switch that would end something."""
        self.matching += len(rows)
        for name in {name for call in self._calls for name in call.needs}:
            empty = [pk for pk, values in rows if values.get(name) in (None, "", [])]
            self._empty[name] += len(empty)
            first = self._first.setdefault(name, [])
            first += empty[: _NAMED - len(first)]
        for call, switch in self._switches:
            application = self._accounts.get(call.key)
            if application is not None:
                ids = [pk for pk, _values in rows]
                found = _would_end(self._workflow, application, call, switch, ids)
                self._ended[(call.key, switch.label)] += found

    def blocks(self) -> tuple[BlockReady, ...]:
        """What was counted, block by block. Two queries for names, where anybody lacks anything."""
        wanted = {pk for name, ids in self._first.items() if self._empty[name] for pk in ids}
        records = read_records(self._workflow, wanted) if wanted else {}
        labels = {pk: record.label for pk, record in records.items()}
        return tuple(
            BlockReady(call, tuple(self._lacking(call, labels)), tuple(self._ends(call)))
            for call in self._calls
        )

    def _lacking(self, call: Call, labels: Mapping[int, str]) -> Iterator[Lacking]:
        for name in sorted(call.needs):
            if self._empty[name]:
                first = [labels[pk] for pk in self._first[name] if pk in labels]
                yield Lacking(name, self._empty[name], tuple(first))

    def _ends(self, call: Call) -> Iterator[str]:
        for switch in call.switches:
            said = f"{switch.label} is set to {'true' if switch.value else 'false'}."
            if call.key not in self._accounts:
                yield (
                    f"{said} How many of the {self.matching:,} matching {_records(self.matching)} "
                    f"this would meet is not known, for no users of {call.vendor} are loaded here."
                )
                continue
            count = self._ended[(call.key, switch.label)]
            now = "are active" if switch.ends == "active" else "are administrators"
            if count == 1:
                now = "is active" if switch.ends == "active" else "is an administrator"
            yield (
                f"{said} Of the {self.matching:,} matching {_records(self.matching)}, {count:,} "
                f"{now} at {call.vendor} now."
            )


def _would_end(
    workflow: Workflow, application: Application, call: Call, switch: Switch, ids: Sequence[int]
) -> int:
    """How many of these have an account there that is now what the switch would end. One query."""
    users = SaaSUser.objects.filter(application=application, status=SaaSUser.Status.ACTIVE)
    if switch.ends == "administrator":
        found: set[int] = set()
        for load in call.loads:
            if load.roles is not None:
                found |= administrators(load.roles, application.pk)
        users = users.filter(pk__among=sorted(found))
    if workflow.object == Workflow.Object.PERSON:
        return users.filter(person__among=list(ids)).order_by().values("person").distinct().count()
    return users.filter(pk__among=list(ids)).count()


def _applications(calls: Iterable[Call]) -> dict[str, Application]:
    """The application of each call's account, by the key of its block. At most one query."""
    listed = list(calls)
    if not listed:
        return {}
    vendors = {call.vendor_key for call in listed}
    rows = {(row.vendor, row.tenant): row for row in Application.objects.filter(vendor__in=vendors)}
    found = {call.key: rows.get((call.vendor_key, call.tenant)) for call in listed}
    return {key: row for key, row in found.items() if row is not None}


def _rooms(
    workflow: Workflow, definition: Definition, calls: Iterable[Call], now: datetime
) -> list[Room]:
    """The counters that blocks go by which take accounts or access away (M-15)."""
    destructive = [
        block.key
        for block in definition.blocks
        if (kind := find_kind(block.kind)) is not None and kind.is_destructive(block)
    ]
    return list(rooms_by_block(workflow, destructive, calls, now).values())


def _sentences(ready: Readiness, rooms: Sequence[Room]) -> Iterator[str]:
    yield ready.headline
    for block in ready.blocks:
        yield block.sentence
        for one in block.lacking:
            yield f'"{block.call.label}": {one}. For them nothing is sent.'
        yield from (f'"{block.call.label}": {text}' for text in block.ends)
    if ready.must_type is not None:
        tightest = min(rooms, key=lambda room: room.limit)
        yield (
            f"{ready.matching:,} records are more than the limit of {tightest.limit:,} removals of "
            f"{tightest.counter} in 24 hours. Type the number {ready.matching} to say that it is "
            "meant. What is over the limit is still held, until somebody approves it by name."
        )


def _records(count: int) -> str:
    return "record" if count == 1 else "records"


def _verb(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb
