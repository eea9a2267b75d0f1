"""Apply a stored plan: batches of rows, each with its links and events in one transaction."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from integrations.models import LinkState, PlannedChange, RecordLink
from integrations.sync.links import Link, links_by_external_id
from integrations.sync.manager_references import find_managers
from integrations.sync.plan_rows import close_moved, count_row
from integrations.sync.side_by_side import do_batches
from integrations.sync.stuck import find_stuck
from integrations.sync.work import BATCH, Issue, Work, write_issues
from people.bulk import clear_columns, insert_rows, update_rows
from people.models import Event, Person
from people.services import (
    PersonChange,
    Writing,
    apply_managers,
    apply_people,
    complete_events_without_manager,
    find_moved,
    near_duplicate_departments,
)
from saas.services import SaaSUserChange, apply_saas_users

logger = logging.getLogger(__name__)
_TRIES = 3
# Ids are taken in another order than rows are committed, and clocks differ a little.
_EVENTS_MARGIN = 1_000
_TIME_MARGIN = timedelta(minutes=5)
Action, State = PlannedChange.Action, PlannedChange.State
_WRITING = {Action.UPDATE, Action.REACTIVATE}
PlanRow = dict[str, Any]


def apply_plan(work: Work) -> None:
    """Apply every planned row, then managers, then what the links remember.

    Rows whose e-mail or username changes come first and in one transaction, so that people can
    swap them (F-37). Safe to repeat: rows that were applied are not planned any more.
    Raises LeaseLost.
    """
    writing = Writing(
        source=Event.Source.SYNC,
        actor=f"{work.integration.run_as} ({work.integration.name})",
        now=work.now,
        run_id=work.run.pk,
        origin=work.integration.pk,
        resumed=work.is_resumed,
    )
    planned = PlannedChange.objects.filter(run=work.run.pk, state=State.PLANNED)
    total = planned.count()
    _apply_key_moves(work, writing, planned)
    applied = _Progress(work, total)
    do_batches(
        _whole_records(planned), lambda rows: _apply_batch(work, writing, rows, applied=applied)
    )
    _second_pass(work, writing)
    remember(work)


class _Progress:
    """Adds up what batches did that were applied side by side."""

    def __init__(self, work: Work, total: int) -> None:
        self._work = work
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def show(self, rows: Sequence[PlanRow]) -> None:
        """Show how far it is once this batch is committed; part of its transaction."""
        self._work.show("apply", self._done + len(rows), self._total)

    def add(self, part: Work, rows: Sequence[PlanRow]) -> None:
        """Take a committed batch into the run's counts."""
        with self._lock:
            self._done += len(rows)
            self._work.take_in(part)


def _whole_records(planned: QuerySet[PlannedChange]) -> Iterator[list[PlanRow]]:
    """The plan in batches; the rows of one record stay together, as its link joins them."""
    after = 0
    while rows := _read(planned.filter(pk__gt=after), most=2 * BATCH):
        if len(rows) == 2 * BATCH:
            last = rows[-1]["external_id"]
            rows = [row for row in rows if row["external_id"] != last] or rows
        after = rows[-1]["id"]
        yield rows


def _apply_key_moves(work: Work, writing: Writing, planned: QuerySet[PlannedChange]) -> None:
    rows = _read(planned.filter(object="person", moves_keys=True))
    if not rows:
        return
    with transaction.atomic():
        work.show("apply", 0, len(rows))
        stuck = find_stuck(rows, _find_moved(rows))
        _close_rows(work, [row for row in rows if row["id"] in stuck], stuck)
        rows = [row for row in rows if row["id"] not in stuck]
        clear_columns(Person, ["email_key", "username_key"], [row["target_id"] for row in rows])
        for start in range(0, len(rows), BATCH):
            _write_batch(work, writing, rows[start : start + BATCH])
        restore_keys(rows)


def _find_moved(rows: Sequence[PlanRow]) -> dict[int, str]:
    """Ids of people whose row is no longer as it was planned, with the reason; locks the others."""
    moved: dict[int, str] = {}
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        moved |= find_moved([_person_change(row, manager_id=None) for row in batch])
    return moved


def restore_keys(rows: Sequence[PlanRow]) -> None:
    """Give people their keys back whose row was left out because it had moved. Two queries."""
    from people.identity import email_key, username_key

    left_out = Person.objects.filter(
        Q(email_key__isnull=True) & ~Q(email="") | Q(username_key__isnull=True) & ~Q(username=""),
        pk__among=[row["target_id"] for row in rows],
    )
    keys = [
        (pk, email_key(email), username_key(username))
        for pk, email, username in left_out.values_list("pk", "email", "username")
    ]
    update_rows(Person, ["email_key", "username_key"], keys)


def _read(rows: QuerySet[PlannedChange], *, most: int | None = None) -> list[PlanRow]:
    """Rows in the order of the plan; their changes as the text that events get, and parsed."""
    chosen = (
        rows.order_by("pk")
        .annotate(text=Cast("changes", TextField()))
        .values(
            "id",
            "object",
            "action",
            "key",
            "external_id",
            "target_id",
            "manager_ref",
            "reason",
            "text",
        )[:most]
    )
    return [{**row, "changes": orjson.loads(row["text"])} for row in chosen]


def _apply_batch(
    work: Work, writing: Writing, rows: Sequence[PlanRow], *, applied: _Progress
) -> None:
    """One batch, one transaction; another integration may take the same link at the same time.

    The run's row, which says whether we still hold the lease, is written last: it would make the
    other batch wait.
    """
    for attempt in range(1, _TRIES + 1):
        part = work.part()
        try:
            with transaction.atomic():
                _write_batch(part, writing, rows)
                applied.show(rows)
            applied.add(part, rows)
        except IntegrityError:
            if attempt == _TRIES:
                raise
            logger.info("Run %s: a batch met another writer and is done again", work.run.pk)
        else:
            return


def _write_batch(work: Work, writing: Writing, rows: Sequence[PlanRow]) -> None:
    links = links_by_external_id(work, {row["external_id"] for row in rows})
    people = [row for row in rows if row["object"] == "person"]
    users = [row for row in rows if row["object"] == "saas_user"]
    moved: dict[int, str] = {}
    person_of = _write_people(work, writing, people, moved)
    user_of = _write_users(work, writing, users, links, person_of, moved)
    _write_links(work, links, person_of, user_of)
    _close_rows(work, rows, moved)


def _write_people(
    work: Work,
    writing: Writing,
    rows: Sequence[PlanRow],
    moved: dict[int, str],
) -> dict[str, int]:
    """Write people; give the person of each record that has one now, by external id."""
    managers = _managers_of(work, rows)
    changes = [
        _person_change(row, manager_id=_unless_own(managers.get(row["manager_ref"]), row))
        for row in rows
        if row["action"] != Action.LINK
    ]
    applied = apply_people(changes, writing) if changes else None
    person_of = {}
    for row in rows:
        target = row["target_id"]
        if applied is not None and target in applied.moved:
            moved[row["id"]] = applied.moved[target]
        else:
            person_of[row["external_id"]] = target
            count_row(work, row)
    _tell_other_records(work, [row for row in rows if row["external_id"] in person_of])
    return person_of


def _unless_own(manager: int | None, row: PlanRow) -> int | None:
    return None if manager == row["target_id"] else manager


def _person_change(row: PlanRow, *, manager_id: int | None) -> PersonChange:
    return PersonChange(
        person_id=row["target_id"],
        is_new=row["action"] == Action.CREATE,
        changes=row["changes"],
        changes_json=row["text"],
        manager_id=manager_id,
        note=row["reason"],
    )


def _tell_other_records(work: Work, rows: Sequence[PlanRow]) -> None:
    """Look again at other records of people whom these rows wrote, once those are listed (M-7).

    A person may have several; one that comes back unchanged would not be looked at, and what
    another one wrote in the meantime would stay. One query, none where all are new.
    """
    written = {row["target_id"]: row["external_id"] for row in rows if row["action"] in _WRITING}
    if not written:
        return
    links = RecordLink.objects.filter(
        vendor=work.vendor.key, tenant=work.tenant, person__among=written
    )
    for person, external_id in links.values_list("person_id", "external_id"):
        if external_id != written[person]:
            work.look_again.add(external_id)


def _managers_of(work: Work, rows: Sequence[PlanRow]) -> dict[str, int]:
    """Managers that are there already; the second pass sets the others. Up to three queries."""
    references = {row["manager_ref"] for row in rows if row["manager_ref"]}
    return find_managers(work, references) if references else {}


def _write_users(
    work: Work,
    writing: Writing,
    rows: Sequence[PlanRow],
    links: Mapping[str, Link],
    person_of: Mapping[str, int],
    moved: dict[int, str],
) -> dict[str, int]:
    """Write accounts; give the account of each record, by external id."""
    application = work.integration.application_id
    if not rows or application is None:
        return {}
    changes = []
    for row in rows:
        link = links.get(row["external_id"])
        changes.append(
            SaaSUserChange(
                saas_user_id=row["target_id"],
                is_new=row["action"] == Action.CREATE,
                application_id=application,
                external_id=row["external_id"],
                changes=row["changes"],
                changes_json=row["text"],
                person_id=person_of.get(row["external_id"], link.person_id if link else None),
                note=row["reason"],
            )
        )
    applied = apply_saas_users(changes, writing)
    work.counts["roles"]["added"] += applied.roles_added
    work.counts["roles"]["ended"] += applied.roles_ended
    user_of = {}
    for row in rows:
        if row["target_id"] in applied.moved:
            moved[row["id"]] = applied.moved[row["target_id"]]
        else:
            user_of[row["external_id"]] = row["target_id"]
            count_row(work, row)
    return user_of


_LINK_COLUMNS = (
    "vendor",
    "tenant",
    "external_id",
    "person_id",
    "saas_user_id",
    "decision",
    "decided_by",
    "created_at",
)


def _write_links(
    work: Work,
    links: Mapping[str, Link],
    person_of: Mapping[str, int],
    user_of: Mapping[str, int],
) -> None:
    """Remember whose record is whose (M-1); links are never moved. Up to two statements."""
    new, changed = [], []
    for external_id in {**person_of, **user_of}:
        link = links.get(external_id)
        person, user = person_of.get(external_id), user_of.get(external_id)
        if link is None:
            new.append((work.vendor.key, work.tenant, external_id, person, user, "", "", work.now))
            continue
        wanted = (link.person_id or person, link.saas_user_id or user)
        if wanted != (link.person_id, link.saas_user_id):
            changed.append((link.id, *wanted))
    if new:
        insert_rows(RecordLink, _LINK_COLUMNS, new)
    update_rows(RecordLink, ["person_id", "saas_user_id"], changed)


def _close_rows(work: Work, rows: Sequence[PlanRow], moved: Mapping[int, str]) -> None:
    """Mark the batch's rows as applied, or as left out with the reason. Up to three statements."""
    done = [row["id"] for row in rows if row["id"] not in moved]
    PlannedChange.objects.filter(pk__among=done).update(state=State.APPLIED)
    work.look_again.update(row["external_id"] for row in rows if row["id"] in moved)
    close_moved(work, rows, moved)


def _second_pass(work: Work, writing: Writing) -> None:
    """Managers who came with this run, whatever the order of the records (F-38, BB-19).

    A few queries per batch of people whose manager was not there yet.
    """
    waiting = (
        PlannedChange.objects.filter(run=work.run.pk, state=State.APPLIED)
        .exclude(manager_ref="")
        .values_list("pk", "target_id", "manager_ref", "external_id", "key")
    )
    after = 0
    while rows := list(waiting.filter(pk__gt=after).order_by("pk")[:BATCH]):
        after = rows[-1][0]
        with transaction.atomic():
            work.show("managers", len(rows), None)
            _set_managers(work, writing, rows)
    if "manager" in work.fields:
        _warn_about_cycles(work)
    if "department" in work.fields:
        _warn_about_departments(work)


def _set_managers(work: Work, writing: Writing, rows: Sequence[tuple[Any, ...]]) -> None:
    found = find_managers(work, {row[2] for row in rows})
    have = dict(
        Person.objects.filter(pk__among=[row[1] for row in rows]).values_list("pk", "manager_id")
    )
    managers: dict[int, int] = {}
    missing: list[tuple[Any, ...]] = []
    for row in rows:
        _pk, person, reference, _external_id, _key = row
        manager = found.get(reference)
        if manager is None or manager == person:
            missing.append(row)
        elif have.get(person) != manager:
            managers[person] = manager
    apply_managers(managers, writing)
    if missing:
        _leave_managers(work, writing, missing)


def _leave_managers(work: Work, writing: Writing, rows: Sequence[tuple[Any, ...]]) -> None:
    """Note of people that their manager did not come after all; the next sync looks again."""
    complete_events_without_manager([person for _pk, person, *_rest in rows], writing)
    plan = PlannedChange.objects.filter(pk__among=[row[0] for row in rows])
    mended, empty = [], []
    for pk, action, changes in plan.values_list("pk", "action", "changes"):
        changes.pop("manager", None)
        mended.append((pk, orjson.dumps(changes).decode()))
        if not changes and action == Action.UPDATE:
            empty.append(pk)
    update_rows(PlannedChange, ["changes"], mended)
    plan.filter(pk__among=empty).update(
        action=Action.SKIP,
        state=State.SKIPPED,
        reason="Its only change was a manager who is not known.",
    )
    for _pk, _person, _reference, external_id, _key in (row for row in rows if row[0] in empty):
        work.count("person", external_id, "updated", by=-1)
        work.count("person", external_id, "unchanged")
    work.look_again.update(external_id for *_rest, external_id, _key in rows)
    write_issues(
        work,
        [
            Issue(
                external_id,
                key,
                "manager_unknown",
                f'The manager "{reference.partition(":")[2]}" could not be set; it is tried '
                "again in the next sync.",
                field="manager",
                warning=True,
            )
            for _pk, _person, reference, external_id, key in rows
        ],
    )


def _warn_about_cycles(work: Work) -> None:
    """Report people who are, over others, their own manager; tolerated (BB-19). One query."""
    manager_of = dict(Person.objects.filter(manager__isnull=False).values_list("pk", "manager_id"))
    in_cycles = people_in_cycles(manager_of)
    if not in_cycles:
        return
    people = Person.objects.filter(pk__among=in_cycles).order_by("pk")
    issues = [
        Issue(
            "",
            email,
            "manager_cycle",
            "Over others, this person is their own manager. Mend it at the source.",
            field="manager",
            warning=True,
        )
        for email in people.values_list("email", flat=True)
    ]
    with transaction.atomic():
        work.show("managers", len(issues), None)
        write_issues(work, issues)


def people_in_cycles(manager_of: Mapping[int, int | None]) -> set[int]:
    """Everybody who comes back to themselves going up; no recursion, each person once."""
    done: set[int] = set()
    found: set[int] = set()
    for start in manager_of:
        path: dict[int, int] = {}
        at: int | None = start
        while at is not None and at not in done and at not in path:
            path[at] = len(path)
            at = manager_of.get(at)
        if at is not None and at in path:
            found.update(person for person, place in path.items() if place >= path[at])
        done.update(path)
    return found


def _warn_about_departments(work: Work) -> None:
    """Report departments of this run that differ from others only in case or spaces (BB-30)."""
    for name, other in near_duplicate_departments(work.departments):
        work.warnings.append(
            f'The departments "{name}" and "{other}" differ only in case or spaces. '
            "If they are one, mend the name at the source."
        )


def remember(work: Work) -> None:
    """Note for every listed record what was written and when it was seen (M-1).

    One upsert over the whole stage, then one statement per thousands of records that are to be
    looked at again.
    """
    sql = """
        INSERT INTO integrations_linkstate (link_id, integration_id, hash, revision, seen_at)
        SELECT l.id, %(integration)s, s.hash, %(revision)s, %(now)s
        FROM integrations_stagedrecord s
        JOIN integrations_recordlink l
          ON l.vendor = %(vendor)s AND l.tenant = %(tenant)s AND l.external_id = s.external_id
        WHERE s.run_id = %(run)s
        ON CONFLICT (integration_id, link_id) DO UPDATE
        SET hash = excluded.hash, revision = excluded.revision, seen_at = excluded.seen_at,
            missing_on = NULL
    """
    now: Any = work.now
    if connection.vendor == "sqlite":
        now = str(work.now.replace(tzinfo=None))
    with transaction.atomic():
        work.show("remember", 0, None)
        with connection.cursor() as cursor:
            cursor.execute(
                sql,
                {
                    "integration": work.integration.pk,
                    "revision": work.run.revision,
                    "now": now,
                    "vendor": work.vendor.key,
                    "tenant": work.tenant,
                    "run": work.run.pk,
                },
            )
        forget(work, work.look_again)
        _forget_written_by_hand(work)


def forget(work: Work, external_ids: Iterable[str]) -> None:
    """Let the next sync look at these records again. Two statements per batch."""
    ids = list(external_ids)
    for start in range(0, len(ids), BATCH):
        found = links_by_external_id(work, ids[start : start + BATCH])
        # By link, not joined: a join of rows that have just been inserted may take minutes.
        LinkState.objects.filter(
            integration=work.integration, link__among=[link.id for link in found.values()]
        ).update(hash="")


def _forget_written_by_hand(work: Work) -> None:
    """Let the next sync look at whom somebody wrote by other means during this run (M-7).

    That writer has told the link states, but the run has noted its own hash over it. One query,
    three where there was somebody.
    """
    written = Event.objects.filter(
        pk__gt=work.last_event - _EVENTS_MARGIN, at__gte=work.now - _TIME_MARGIN, object="person"
    ).exclude(source=Event.Source.SYNC)
    people = list(written.order_by().values_list("object_id", flat=True).distinct())
    if people:
        links = RecordLink.objects.filter(
            vendor=work.vendor.key, tenant=work.tenant, person__among=people
        )
        LinkState.objects.filter(
            integration=work.integration, link__among=list(links.values_list("pk", flat=True))
        ).update(hash="")
