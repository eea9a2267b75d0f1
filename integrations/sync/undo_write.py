"""Writing what an undo run judged: a batch of records, its links, events and plan rows together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from integrations.models import LinkState, PlannedChange, RecordLink
from integrations.sync.plan_rows import COLUMNS, Row, has_keys
from integrations.sync.undo_judge import UndoRow
from integrations.sync.work import Issue, Work, write_issues
from people.bulk import insert_rows
from people.models import CustomField, Event, Person
from people.services import PersonChange, Writing, apply_people, write_events
from saas.models import SaaSUser
from saas.role_history import RolesBack, take_roles_back
from saas.services import SaaSUserChange, apply_saas_users

Action, State = PlannedChange.Action, PlannedChange.State
COUNTED: dict[str, str] = {
    Action.UPDATE: "updated",
    Action.UNLINK: "updated",
    Action.REACTIVATE: "reactivated",
    Action.DEACTIVATE: "deactivated",
    Action.REMOVE: "removed",
    Action.SKIP: "skipped",
}


def write_people(work: Work, writing: Writing, rows: Sequence[UndoRow]) -> None:
    """Write people back, or take them out. Inside a transaction; some thirty statements."""
    changes = [
        PersonChange(
            person_id=row.effect.target_id,
            is_new=False,
            changes=row.changes,
            changes_json=orjson.dumps(row.changes).decode(),
            manager_id=row.manager_id,
            note=_note(work),
            origins=row.origins,
        )
        for row in rows
        if row.changes and row.action != Action.REMOVE
    ]
    moved = apply_people(changes, writing).moved if changes else {}
    _look_again("person", [row.effect.target_id for row in rows if row.writes])
    _take_links_back("person", [row for row in rows if row.effect.target_id not in moved])
    _remove(work, writing, rows)
    _store(work, rows, moved)


def write_users(work: Work, writing: Writing, rows: Sequence[UndoRow]) -> None:
    """Write accounts and their roles back, or take them out. As `write_people`."""
    changed = [row for row in rows if row.changes and row.action != Action.REMOVE]
    _write_roles(work, writing, changed)
    application = work.integration.application_id or 0
    applied = apply_saas_users(
        [
            SaaSUserChange(
                saas_user_id=row.effect.target_id,
                is_new=False,
                application_id=application,
                external_id=row.effect.external_id,
                changes=row.changes,
                changes_json=orjson.dumps(row.changes).decode(),
                note=_note(work),
            )
            for row in changed
        ],
        writing,
    )
    _look_again("saas_user", [row.effect.target_id for row in rows if row.writes])
    _take_links_back(
        "saas_user", [row for row in rows if row.effect.target_id not in applied.moved]
    )
    _remove(work, writing, rows)
    _store(work, rows, applied.moved)


def _write_roles(work: Work, writing: Writing, rows: Sequence[UndoRow]) -> None:
    undone = work.run.undoes
    assert undone is not None  # noqa: S101 - an undo run has one
    accounts = [
        RolesBack(
            row.effect.target_id, row.changes["roles"][0] or [], row.changes["roles"][1] or []
        )
        for row in rows
        if "roles" in row.changes
    ]
    if accounts:
        added, ended = take_roles_back(
            accounts,
            since=undone.queued_at,
            until=undone.finished_at or writing.now,
            now=writing.now,
        )
        work.counts["roles"]["added"] += added
        work.counts["roles"]["ended"] += ended


def _note(work: Work) -> str:
    return f"Undo of run {work.run.undoes_id}."


def _look_again(owner: str, ids: Sequence[int]) -> None:
    """Let the next sync of every integration look at these records (M-7). One statement."""
    if ids:
        links = RecordLink.objects.filter(**{f"{owner}__among": ids})
        LinkState.objects.filter(link__in=links).update(hash="")


def _take_links_back(owner: str, rows: Iterable[UndoRow]) -> None:
    """Part links from their records; what the run made and nobody uses goes. Two statements."""
    parted = [link for row in rows for link in row.unjoined]
    if not parted:
        return
    RecordLink.objects.filter(pk__among=parted).update(**{owner: None})
    made = [link for row in rows for link in row.made]
    RecordLink.objects.filter(
        pk__among=made, person__isnull=True, saas_user__isnull=True, decision=""
    ).delete()


def _remove(work: Work, writing: Writing, rows: Sequence[UndoRow]) -> None:
    """Take out records that the run created; the event keeps what they held."""
    gone = [row for row in rows if row.action == Action.REMOVE]
    if not gone:
        return
    kind = gone[0].effect.object
    ids = [row.effect.target_id for row in gone]
    if kind == "person":
        Person.objects.filter(pk__among=ids).delete()
    else:
        SaaSUser.objects.filter(pk__among=ids).delete()
    write_events(
        CustomField.Object(kind),
        (
            (
                row.effect.target_id,
                Event.Kind.ARCHIVE,
                orjson.dumps(row.changes).decode(),
                f"{_note(work)} Taken out again.",
            )
            for row in gone
        ),
        writing,
    )


def _store(work: Work, rows: Sequence[UndoRow], moved: dict[int, str]) -> None:
    """Keep what became of each record as a row of the undo's plan. Two statements."""
    told: list[Issue] = []
    stored = []
    for row in rows:
        effect = row.effect
        state, reason = State.APPLIED, reason_of(row)
        if effect.target_id in moved:
            state, reason = State.MOVED, moved[effect.target_id]
            told.append(Issue(effect.external_id, effect.key, "moved", reason))
        elif not row.writes:
            state = State.SKIPPED
        if state == State.APPLIED or row.left:
            _count(work, row)
        if row.left or state in {State.APPLIED, State.MOVED}:
            stored.append(
                Row(
                    effect.object,
                    row.action,
                    effect.key,
                    effect.external_id,
                    row.changes,
                    reason[:500],
                    state=state.value,
                    target_id=effect.target_id,
                    moves_keys=has_keys(row.changes),
                )
            )
        told += [_issue(row, name, why) for name, why in row.left.items()]
    if stored:
        insert_rows(PlannedChange, COLUMNS, (one.values(work.run.pk) for one in stored))
    write_issues(work, told)


def _count(work: Work, row: UndoRow) -> None:
    counts = work.counts["people" if row.effect.object == "person" else "saas_users"]
    counts[COUNTED[row.action]] += 1


def reason_of(row: UndoRow) -> str:
    """Why a record is taken out or stays, for its row of the plan; empty when all comes back."""
    if "" in row.left:
        return f"It stays: {row.left['']}."
    if not row.left:
        return "The run created it, and nothing else touched it." if _is_removal(row) else ""
    if len(row.left) == 1:
        return "One of its fields stays as it is; the error log says why."
    return f"{len(row.left)} of its fields stay as they are; the error log says why."


def _is_removal(row: UndoRow) -> bool:
    return row.action == Action.REMOVE


def _issue(row: UndoRow, name: str, why: str) -> Issue:
    effect = row.effect
    if not name:
        return Issue(effect.external_id, effect.key, "not_taken_out", f"It stays: {why}.")
    return Issue(effect.external_id, effect.key, "left", f"{name} stays: {why}.", field=name)
