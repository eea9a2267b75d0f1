"""What every step of one run needs to know, read once at its start, and what it counts."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from integrations.manifest_load import Load
from integrations.models import Integration, RecordIssue, SyncRun
from integrations.registry import Vendor
from integrations.sync.lease import Lease
from people.bulk import insert_rows
from people.identity import email_key
from people.models import Event
from people.queries import Target
from people.services import Writing

BATCH = 2_000
Progress = Callable[[str, int, int | None], None]
Some = TypeVar("Some")


def batches(all_of_them: Sequence[Some]) -> Iterator[Sequence[Some]]:
    """The same in batches of a few thousand, in order."""
    for start in range(0, len(all_of_them), BATCH):
        yield all_of_them[start : start + BATCH]


def new_counts() -> dict[str, Any]:
    """Counts of a sync, all zero."""
    per_object = ("created", "updated", "deactivated", "reactivated", "unchanged", "skipped")
    return {
        "seen": 0,
        "people": dict.fromkeys(per_object, 0),
        "saas_users": dict.fromkeys(per_object, 0),
        "roles": {"added": 0, "ended": 0},
        "issues": 0,
        "held": 0,
    }


@dataclass(frozen=True)
class MappedField:
    """A mapped people field: may this integration overwrite, and when."""

    target: Target
    policy: str
    owned: bool


@dataclass(frozen=True, slots=True)
class Relying:
    """A record that takes the e-mail or username which a person gives up in the same listing."""

    external_id: str
    key: str
    field: str
    holder: int


@dataclass
class Work:
    """One run at work. `counts` has the shape that `interface.md` fixes."""

    run: SyncRun
    integration: Integration
    vendor: Vendor
    lease: Lease
    now: datetime
    targets: dict[str, Target]
    fields: dict[str, MappedField]
    sync_keys: Sequence[str]
    on_progress: Progress | None = None
    counts: dict[str, Any] = field(default_factory=new_counts)
    warnings: list[str] = field(default_factory=list)
    complete: bool = False
    # False: the listing lost a field that says roles, so that roles are left as they are (M-12).
    roles_are_known: bool = True
    # Highest id of an event before the run began.
    last_event: int = 0
    # Records that an earlier attempt at this run has applied and counted: (object, external id).
    done_before: set[tuple[str, str]] = field(default_factory=set)
    # Records of the one person that the run is about, if it is.
    looked_at: set[str] = field(default_factory=set)
    # Records whose person is not written in this run: they have an issue, or are skipped.
    left_out: set[str] = field(default_factory=set)
    # Records that take a key which its holder is planned to give up.
    relying: list[Relying] = field(default_factory=list)
    # Department names that this run writes.
    departments: set[str] = field(default_factory=set)
    # Records whose link state is to say "look again" after this run, by external id.
    look_again: set[str] = field(default_factory=set)

    @property
    def load(self) -> Load:
        return self.vendor.loads[self.integration.load]

    @property
    def unique_sync_keys(self) -> list[str]:
        """Sync keys that are custom fields."""
        return [key for key in self.sync_keys if self.fields[key].target.custom]

    @property
    def tenant(self) -> str:
        return self.integration.tenant or ""

    @property
    def is_resumed(self) -> bool:
        """Whether another process began this run and died, or was told to stop."""
        return self.lease.fence > 1

    @property
    def preview(self) -> bool:
        return self.run.kind == SyncRun.Kind.PREVIEW

    @property
    def only_person(self) -> str | None:
        """The e-mail key of the one person that the run is about, if it is."""
        return email_key(self.run.person)

    @property
    def writes_users(self) -> bool:
        return self.integration.user_selection == Integration.UserSelection.USER_PLUS_SAAS_USER

    @property
    def is_source_of_truth(self) -> bool:
        """Whether it maps the status of people (M-10)."""
        return "status" in self.fields

    def count(self, kind: str, external_id: str, what: str, *, by: int = 1) -> None:
        """Count what becomes of a record's person or account, once per run."""
        if (kind, external_id) not in self.done_before:
            self.counts["people" if kind == "person" else "saas_users"][what] += by

    def leave_out(self, external_ids: Iterable[str]) -> None:
        """Note records whose person is not written; the next sync looks at them again."""
        ids = list(external_ids)
        self.left_out.update(ids)
        self.look_again.update(ids)

    def writing(self, now: datetime, *, resumed: bool) -> Writing:
        """Whose hand events of this run show; `resumed` where a record may have its one already."""
        return Writing(
            source=Event.Source.SYNC,
            actor=f"{self.integration.run_as} ({self.integration.name})",
            now=now,
            run_id=self.run.pk,
            origin=self.integration.pk,
            resumed=resumed,
        )

    def part(self) -> Work:
        """The same work with counts of its own, for a batch that may have to be done again."""
        return replace(self, counts=new_counts(), look_again=set())

    def take_in(self, part: Work) -> None:
        """Add what a part counted."""
        for name, value in part.counts.items():
            if isinstance(value, dict):
                for what, number in value.items():
                    self.counts[name][what] += number
            else:
                self.counts[name] += value
        self.look_again |= part.look_again

    def show(self, step: str, done: int, total: int | None) -> None:
        """Record and report progress. One query. Raises LeaseLost."""
        gc.collect(1)
        self.lease.write(step=step, progress_done=done, progress_total=total)
        if self.on_progress is not None:
            self.on_progress(step, done, total)


@dataclass(frozen=True)
class Issue:
    """Something to tell about one record; `candidates` are ids of people it may be."""

    external_id: str
    key: str
    code: str
    reason: str
    field: str = ""
    detail: str = ""
    candidates: Sequence[int] = ()
    warning: bool = False


def write_issues(work: Work, issues: Iterable[Issue]) -> None:
    """Store issues and warnings of the run. One statement."""
    import orjson

    rows = [
        (
            work.run.pk,
            issue.external_id,
            issue.key[:320],
            issue.code,
            RecordIssue.Severity.WARNING if issue.warning else RecordIssue.Severity.ISSUE,
            issue.field,
            issue.reason[:500],
            issue.detail,
            orjson.dumps(list(issue.candidates)).decode(),
            "",
            "",
        )
        for issue in issues
    ]
    if not rows:
        return
    insert_rows(
        RecordIssue,
        (
            "run_id",
            "external_id",
            "key",
            "code",
            "severity",
            "field",
            "reason",
            "detail",
            "candidates",
            "settled_as",
            "settled_by",
        ),
        rows,
    )
    work.counts["issues"] += sum(1 for row in rows if row[4] == RecordIssue.Severity.ISSUE)
