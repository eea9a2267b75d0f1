"""Preview: what a workflow would do with records, every request filled in and nothing sent.

Of calls the way of success is followed; where a failure would lead is said in words. What somebody
may not see is hidden: such a field stands as `(hidden)`, and counts for nothing that is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from integrations.services import variables
from workflows.definition import END, BlockPart, Definition
from workflows.errors import NotAllowed, WorkflowInvalid
from workflows.facts import read_facts
from workflows.judging import judge_of
from workflows.kinds import Planned, find_kind
from workflows.models import Workflow, WorkflowVersion
from workflows.records import Record, read_records
from workflows.rules import matching_ids
from workflows.sight import hidden_from, hidden_in_rules, made_of, names_of
from workflows.validation import check, is_valid
from workflows.walking import Walk, Walker, go_on, in_walking_order

HIDDEN = "(hidden)"
_PAIR = (HIDDEN, HIDDEN)
_BATCH = 1_000
_REMOVING = 10_000


@dataclass(frozen=True)
class BlockPreview:
    """What one block would do. `leads_to` is the label of the next block, or `End`.

    `otherwise` says where a failure would lead. `changes` {field: [old, new]}; `request` masked.
    """

    key: str
    label: str
    kind: str
    action: str
    summary: str
    exit: str
    leads_to: str
    otherwise: str = ""
    request: Any = field(default=None, repr=False)
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict, repr=False)
    problem: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordPreview:
    """One record: why the workflow is not for it, or its way through the blocks."""

    id: int
    object: str
    key: str
    reasons: tuple[str, ...] = ()
    way: tuple[BlockPreview, ...] = ()

    @property
    def matches(self) -> bool:
        """Whether the workflow would be started for it."""
        return not self.reasons

    def as_rows(self) -> Iterator[dict[str, Any]]:
        """A JSON row per block, in order: those of `run_workflow --plan`; one where none runs."""
        about = {"object": self.object, "key": self.key}
        if self.reasons:
            reason = " ".join(self.reasons)
            yield {"action": "skip", **about, "reason": reason, "changes": {}}
        for one in self.way:
            yield {
                "action": one.action,
                **about,
                "reason": one.problem or one.summary,
                "changes": {name: list(pair) for name, pair in one.changes.items()},
                "block": one.key,
                "exit": one.exit,
                "request": one.request,
                "warnings": list(one.warnings),
            }


def preview(
    workflow: Workflow,
    definition: Definition,
    ids: Sequence[int] | None = None,
    *,
    now: datetime,
    user: User | None = None,
    version: WorkflowVersion | None = None,
    first: int = 0,
    most: int | None = None,
) -> list[RecordPreview]:
    """What would be done with these records, or with those that match: `most` after the `first`.

    `version` is the one that holds this definition: its credentials are used to fill requests in;
    the active or the last one where none is given. Records that are gone are left out; those that
    do not match say why, rule by rule. Nothing is sent, nothing written.
    Raises WorkflowInvalid, and NotAllowed where rules name a field that the user may not see.
    """
    previewing = _Previewing(workflow, definition, now=now, user=user, version=version)
    if ids is not None:
        chosen = list(dict.fromkeys(ids))[first:]
        return list(previewing.of(chosen if most is None else chosen[:most]))
    matching = _slice(previewing.matching(), first, most)
    return [one for batch in _batches(matching, _BATCH) for one in previewing.of(batch)]


def preview_all(
    workflow: Workflow,
    definition: Definition,
    *,
    now: datetime,
    user: User | None = None,
    version: WorkflowVersion | None = None,
) -> Iterator[RecordPreview]:
    """As `preview`, of every record that matches, some thousand in memory at a time."""
    previewing = _Previewing(workflow, definition, now=now, user=user, version=version)
    for batch in _batches(previewing.matching(), previewing.batch):
        yield from previewing.of(batch)


class _Previewing:
    def __init__(
        self,
        workflow: Workflow,
        definition: Definition,
        *,
        now: datetime,
        user: User | None,
        version: WorkflowVersion | None,
    ) -> None:
        mistakes = check(definition, read_facts(workflow))
        if not is_valid(mistakes):
            raise WorkflowInvalid([one for one in mistakes if not one.warning])
        self._hidden = hidden_from(user)
        self._unseen = made_of(self._hidden, definition)
        _check_sight(definition, self._hidden)
        self._workflow, self._definition, self._now = workflow, definition, now
        zone = timezone.get_default_timezone()
        self._judge = judge_of(workflow, definition.begin, now=now, zone=zone)
        known = version or workflow.active_version or workflow.versions.first()
        if known is None:
            raise NotAllowed("Save the workflow first; then its preview can be shown.")
        self._walk = Walk(workflow, known, definition, now, variables())

    @property
    def batch(self) -> int:
        """How many at once: what takes access away is judged together, as the guard does."""
        kinds = [(find_kind(block.kind), block) for block in self._definition.blocks]
        removes = any(kind is not None and kind.is_destructive(block) for kind, block in kinds)
        return _REMOVING if removes else _BATCH

    def matching(self) -> Iterator[int]:
        for ids in matching_ids(self._workflow, self._definition.begin, now=self._now):
            yield from ids

    def of(self, ids: Sequence[int]) -> Iterator[RecordPreview]:
        """The previews of these records, in their order."""
        found = read_records(self._workflow, ids)
        records = [found[pk] for pk in ids if pk in found]
        reasons = {one.id: self._why_not(one) for one in records}
        walkers = [
            Walker(one, number, self._definition.first)
            for number, one in enumerate(records, start=1)
            if not reasons[one.id]
        ]
        ways = self._lead(walkers)
        for one in records:
            yield RecordPreview(
                id=one.id,
                object=one.object,
                key=one.label,
                reasons=tuple(reasons[one.id]),
                way=tuple(ways.get(one.id, ())),
            )

    def _why_not(self, record: Record) -> list[str]:
        if self._judge.matches(record):
            return []
        return self._judge.why_not(record, shows=lambda name: name not in self._hidden)

    def _lead(self, walkers: Sequence[Walker]) -> dict[int, list[BlockPreview]]:
        """Lead all records; who may not see all is shown the way of records without the values.

        What the true values would come to is not even asked: a way alone could tell them.
        """
        if not self._hidden:
            self._walk.lead(walkers)
            return {one.record.id: [self._shown(*pair) for pair in one.way] for one in walkers}
        for one in walkers:
            one.record = _veiled(one.record, self._hidden)
        ways: dict[int, list[BlockPreview]] = {one.record.id: [] for one in walkers}
        for block in in_walking_order(self._definition):
            kind = find_kind(block.kind)
            here = [one for one in walkers if one.at == block.key]
            if kind is None or not here:
                continue
            depends = bool(names_of(block) & self._unseen)
            for one, planned in zip(here, list(self._walk.plan(kind, block, here)), strict=True):
                told = self._told(planned, kind.exits[0], depends=depends)
                go_on(one, block, told)
                one.record = _veiled(one.record, self._hidden)
                ways[one.record.id].append(self._shown(block, told))
        return ways

    def _told(self, planned: Planned, first: str, *, depends: bool) -> Planned:
        """What is shown of a plan that was made without the hidden values."""
        if depends and (planned.problem or planned.exit != first):
            why = "Whether this block can do it depends on a field that you may not see."
            return Planned(planned.action, why, first)
        hidden = self._hidden & set(planned.changes)
        return replace(planned, changes={**planned.changes, **dict.fromkeys(hidden, _PAIR)})

    def _shown(self, block: BlockPart, planned: Planned) -> BlockPreview:
        return BlockPreview(
            key=block.key,
            label=block.label,
            kind=block.kind,
            action=planned.action,
            summary=planned.summary,
            exit=planned.exit,
            leads_to=self._label(block.exits.get(planned.exit) or END),
            otherwise=self._otherwise(block, planned),
            request=planned.request,
            changes=planned.changes,
            problem=planned.problem,
            warnings=planned.warnings,
        )

    def _otherwise(self, block: BlockPart, planned: Planned) -> str:
        """Where it would lead if it failed."""
        target = block.exits.get("failure")
        if not target or planned.exit == "failure":
            return ""
        label = self._label(target)
        return "A failure would end the way." if target == END else f'A failure leads to "{label}".'

    def _label(self, key: str) -> str:
        block = self._definition.find(key)
        return block.label if block is not None else "End"


def _slice(ids: Iterator[int], first: int, most: int | None) -> Iterator[int]:
    for number, pk in enumerate(ids):
        if most is not None and number >= first + most:
            return
        if number >= first:
            yield pk


def _batches(ids: Iterator[int], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for pk in ids:
        batch.append(pk)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


# What may not be seen.


def _check_sight(definition: Definition, hidden: frozenset[str]) -> None:
    if found := hidden_in_rules(definition, hidden):
        named = ", ".join(f'"{name}"' for name in found)
        raise NotAllowed(
            f"Rules of this workflow name {named}, which you may not see, so the preview would "
            "tell it. Ask an IT admin to look at the preview."
        )


def _veiled(record: Record, hidden: frozenset[str]) -> Record:
    values = _without(record.values, hidden)
    if isinstance(person := values.get("person"), Mapping):
        values["person"] = _without(person, hidden)
    return replace(record, values=values)


def _without(values: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    """Blank or not: whether a hidden field is filled is hidden, too."""
    return {**values, **dict.fromkeys(hidden, HIDDEN)}
