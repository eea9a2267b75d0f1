"""Writing what blocks found out: fields, roles, removals, each record with one event (M-24)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from integrations.look_again import look_at_accounts_again, look_at_people_again
from people.models import Event
from people.services import PersonChange, Writing, apply_people
from saas.models import SaaSUser
from saas.services import SaaSUserChange, apply_saas_users, note_found
from workflows.kinds import Failure, Item, Outcome, Step, Then
from workflows.models import Workflow
from workflows.removals import Asked, judge, lock_counters, removal_changes
from workflows.written import NotWritten, Rows, read_accounts, read_people

_GONE = {"person": "The person is no longer there.", "saas_user": "The account is no longer there."}
_ALREADY = "It was deactivated here already."
_LONGEST_NOTE = 300


def apply_outcomes(step: Step, outcomes: Sequence[Outcome], *, now: datetime) -> list[Outcome]:
    """Write what the outcomes of a batch ask for; gives them back as they came about.

    What cannot be written is a failure, a removal that a person has to approve is held. Inside a
    transaction. Some twenty-five queries, whatever the size of the batch; about as many again where
    the batch holds a record twice (it is in two runs), or removals that different people approved.
    """
    writer = _Batch(step, list(outcomes), now)
    asking = [number for number, outcome in enumerate(outcomes) if _asks(outcome)]
    if asking:
        writer.write(asking)
    return writer.outcomes


def _asks(outcome: Outcome) -> bool:
    known = outcome.roles is not None or outcome.found is not None
    return bool(outcome.sets or outcome.removes) or known


@dataclass
class _Planned:
    """What one outcome changes in its record."""

    number: int
    item: Item
    changes: dict[str, list[Any]]
    approved_by: str = ""
    manager_id: int | None = None
    note: str = ""


@dataclass
class _Batch:
    """One batch while it is written."""

    step: Step
    outcomes: list[Outcome]
    now: datetime
    written: dict[int, set[str]] = field(default_factory=dict)  # record id -> fields

    @property
    def of_people(self) -> bool:
        return self.step.workflow.object == Workflow.Object.PERSON

    def write(self, asking: Sequence[int]) -> None:
        if any(self.outcomes[number].removes for number in asking):
            lock_counters(self.step.workflow)
        rows = self._read(asking)
        approvers = self._judge(asking, rows)
        for number, wave in enumerate(self._waves(asking)):
            # What an earlier part wrote is seen by the next.
            self._write_wave(wave, self._read(wave) if number else rows, approvers)
        self._tell()

    def _waves(self, asking: Sequence[int]) -> list[list[int]]:
        """Parts of the batch that hold each record once, in the order of the items."""
        waves: list[list[int]] = []
        times: dict[int, int] = {}
        for number in asking:
            record = self.step.items[number].record.id
            times[record] = times.get(record, 0) + 1
            if times[record] > len(waves):
                waves.append([])
            waves[times[record] - 1].append(number)
        return waves

    def _read(self, numbers: Sequence[int]) -> Rows:
        ids = sorted({self.step.items[number].record.id for number in numbers})
        sets = [self.outcomes[number].sets for number in numbers]
        return read_people(ids, sets) if self.of_people else read_accounts(ids, sets)

    def _judge(self, asking: Sequence[int], rows: Rows) -> dict[int, str]:
        """Put outcomes in the place of removals that do not happen; gives who approved the others.

        By number of the item; empty for those that the guard lets pass.
        """
        numbers, asked = [], []
        for number in asking:
            item, outcome = self.step.items[number], self.outcomes[number]
            row = rows.values.get(item.record.id)
            if not outcome.removes or row is None:
                continue
            if row["status"] == SaaSUser.Status.DEACTIVATED:
                self.outcomes[number] = replace(outcome, removes="", note=_ALREADY)
                continue
            numbers.append(number)
            asked.append(Asked(item, outcome, _removal(row)))
        if not asked:
            return {}
        approvers = {}
        verdicts = judge(self.step, asked, now=self.now)
        for number, verdict in zip(numbers, verdicts, strict=True):
            if verdict.instead is None:
                approvers[number] = verdict.approved_by
            else:
                self.outcomes[number] = verdict.instead
        return approvers

    def _write_wave(self, wave: Sequence[int], rows: Rows, approvers: Mapping[int, str]) -> None:
        planned = [one for number in wave if (one := self._plan(number, rows, approvers))]
        self._note_found(wave)
        for approver in dict.fromkeys(one.approved_by for one in planned):
            some = [one for one in planned if one.approved_by == approver]
            self._apply(some, self._writing(some, approver), rows)

    def _plan(self, number: int, rows: Rows, approvers: Mapping[int, str]) -> _Planned | None:
        """What an outcome changes; None where nothing differs, or nothing can be written."""
        item, outcome = self.step.items[number], self.outcomes[number]
        row = rows.values.get(item.record.id)
        if row is None:
            self.outcomes[number] = _failed(outcome, _GONE[item.record.object], "gone")
            return None
        if outcome.then in {Then.IS_HELD, Then.WAITS}:
            return None
        try:
            changes = rows.changes(item.record.id, outcome.sets)
        except NotWritten as problem:
            self.outcomes[number] = _failed(outcome, str(problem), "not_written")
            return None
        removed = number in approvers and row["status"] != SaaSUser.Status.DEACTIVATED
        changes |= _removal(row) if removed else _other_roles(outcome, row)
        if not changes:
            return None
        return _Planned(
            number,
            item,
            changes,
            approved_by=approvers.get(number, "") if removed else "",
            manager_id=rows.manager_id(outcome.sets),
            note=self._note(outcome.removes if removed else ""),
        )

    def _note(self, because: str) -> str:
        return f'Block "{self.step.block.label}". {because}'.strip()[:_LONGEST_NOTE]

    def _note_found(self, wave: Sequence[int]) -> None:
        if self.of_people:
            return
        said: dict[bool, list[int]] = {True: [], False: []}
        for number in wave:
            found = self.outcomes[number].found
            if found is not None:
                said[found].append(self.step.items[number].record.id)
        note_found(said[True], said[False], now=self.now)

    def _writing(self, planned: Sequence[_Planned], approver: str) -> Writing:
        return Writing(
            source=Event.Source.WORKFLOW,
            actor=f'workflow "{self.step.workflow.name}"',
            now=self.now,
            guarded=not approver,
            approved_by=approver,
            workflow_runs={one.item.record.id: one.item.run_id for one in planned},
        )

    def _apply(self, planned: Sequence[_Planned], writing: Writing, rows: Rows) -> None:
        if self.of_people:
            moved = apply_people([_person_change(one) for one in planned], writing).moved
        else:
            changes = [_account_change(one, rows) for one in planned]
            moved = apply_saas_users(changes, writing).moved
        for one in planned:
            outcome, record = self.outcomes[one.number], one.item.record
            if record.id in moved:
                reason = moved[record.id]
                self.outcomes[one.number] = _failed(outcome, reason, "not_written")
                continue
            self.written.setdefault(record.id, set()).update(one.changes)
            context = {**outcome.context, "written": _written(one)}
            self.outcomes[one.number] = replace(outcome, context=context)

    def _tell(self) -> None:
        """Let the owners of what was written look again (M-7). At most one statement."""
        if self.of_people:
            fields = {name for names in self.written.values() for name in names}
            look_at_people_again(list(self.written), fields)
        else:
            look_at_accounts_again(list(self.written))


def _removal(row: Mapping[str, Any]) -> dict[str, list[Any]]:
    return removal_changes(row["status"], row.get("roles", ()))


def _other_roles(outcome: Outcome, row: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The roles that differ; only an account that is active has any (M-29)."""
    if outcome.roles is None or row["status"] != SaaSUser.Status.ACTIVE:
        return {}
    new = [dict(role) for role in outcome.roles]
    return {} if row["roles"] == new else {"roles": [row["roles"], new]}


def _written(one: _Planned) -> dict[str, Any]:
    """The values before the item's first write of each field, as templates name them (M-23)."""
    earlier = one.item.context.get("written") or {}
    read = one.item.record.values
    return {**{name: read.get(name, old) for name, (old, _new) in one.changes.items()}, **earlier}


def _failed(outcome: Outcome, reason: str, code: str) -> Outcome:
    """The same call, but what it should write was not written."""
    return replace(
        outcome,
        then=Then.GOES_ON,
        exit="failure",
        sets={},
        roles=None,
        removes="",
        failure=Failure(reason, code, outcome.status),
        code=code,
        note=reason,
    )


def _person_change(one: _Planned) -> PersonChange:
    return PersonChange(
        person_id=one.item.record.id,
        is_new=False,
        changes=one.changes,
        changes_json=orjson.dumps(one.changes).decode(),
        manager_id=one.manager_id,
        note=one.note,
    )


def _account_change(one: _Planned, rows: Rows) -> SaaSUserChange:
    row = rows.values[one.item.record.id]
    return SaaSUserChange(
        saas_user_id=one.item.record.id,
        is_new=False,
        application_id=row["application_id"],
        external_id=row["external_id"],
        changes=one.changes,
        changes_json=orjson.dumps(one.changes).decode(),
        note=one.note,
    )
