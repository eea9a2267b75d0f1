"""The error log of a run: issues and warnings first, then the records that were left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from integrations.admin.run_plan import PAGE, read_id
from integrations.models import PlannedChange, RecordIssue, SyncRun

_LONGEST_SEARCH = 200


@dataclass(frozen=True)
class LogPage:
    """One page of issues and one of skipped records; a query leads to the next of each."""

    issues: tuple[RecordIssue, ...]
    skipped: tuple[PlannedChange, ...]
    search: str
    next_issues: str
    next_skipped: str
    first: bool


def read_log(run: SyncRun, asked: Mapping[str, str]) -> LogPage:
    """Read the page that the query string asks for. Two queries, however long the log is."""
    search = asked.get("q", "").strip()[:_LONGEST_SEARCH].replace("\x00", "")
    after_issue, after_skipped = read_id(asked.get("issue")), read_id(asked.get("skipped"))
    issues = RecordIssue.objects.filter(run=run, pk__gt=after_issue)
    skipped = PlannedChange.objects.filter(
        run=run, action=PlannedChange.Action.SKIP, pk__gt=after_skipped
    )
    if search:
        issues, skipped = (
            issues.filter(key__icontains=search),
            skipped.filter(key__icontains=search),
        )
    shown_issues = list(issues.order_by("pk")[: PAGE + 1])
    shown_skipped = list(skipped.order_by("pk")[: PAGE + 1])
    given = {"q": search} if search else {}

    def next_of(name: str, rows: list[RecordIssue] | list[PlannedChange]) -> str:
        return urlencode({**given, name: rows[PAGE - 1].pk}) if len(rows) > PAGE else ""

    return LogPage(
        issues=tuple(shown_issues[:PAGE]),
        skipped=tuple(shown_skipped[:PAGE]),
        search=search,
        next_issues=next_of("issue", shown_issues),
        next_skipped=next_of("skipped", shown_skipped),
        first=not (after_issue or after_skipped),
    )
