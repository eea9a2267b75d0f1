"""A page of a plan: rows by their id, so that the last page costs what the first one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

from integrations.admin.standing import TOLD_BY_ACTION, standing_of, token_of
from integrations.models import PlannedChange, SyncRun
from integrations.overview import PlanTotal
from people.queries import person_targets

PAGE = 100
_LONGEST_SEARCH = 200
_BIGGEST_ID = 2**63 - 1
SAAS_LABELS = {
    "external_id": "ID at the vendor",
    "email": "E-mail",
    "name": "Name",
    "status": "Status",
    "last_activity": "Last activity",
    "roles": "Roles",
    "person": "Person",
}
_PAGES = {"person": "people_person_change", "saas_user": "saas_saasuser_change"}


@dataclass(frozen=True)
class FieldChange:
    """Old -> new of one field, with the label that people know it by."""

    label: str
    old: Any
    new: Any


@dataclass(frozen=True)
class PlanRow:
    """A row of the plan as a page shows it; `page` is the admin page of its target.

    `token` is the row as it is shown here, to be decided on; `standing` says what became of it.
    """

    row: PlannedChange
    changes: tuple[FieldChange, ...]
    page: str
    token: str
    standing: tuple[str, ...]


@dataclass(frozen=True)
class PlanPage:
    """One page, what it was asked for, and where the next one begins."""

    rows: tuple[PlanRow, ...]
    chosen: Mapping[str, str]
    next_query: str
    first_query: str
    first: bool


def read_plan(
    run: SyncRun, asked: Mapping[str, str], unseen: Mapping[str, frozenset[str]]
) -> PlanPage:
    """Read the page that the query string asks for; nonsense in it is left out. Two queries.

    `unseen` are the fields per object that the reader may not see (M-36).
    """
    chosen = read_choice(asked)
    after = read_id(asked.get("after"))
    rows = list(filtered_rows(run, chosen).filter(pk__gt=after).order_by("pk")[: PAGE + 1])
    labels = people_labels()
    more = len(rows) > PAGE
    kept = rows[:PAGE]
    next_query = urlencode({**_given(chosen), "after": kept[-1].pk}) if more else ""
    return PlanPage(
        rows=tuple(_shown(row, labels, unseen.get(row.object, frozenset())) for row in kept),
        chosen=chosen,
        next_query=next_query,
        first_query=urlencode(_given(chosen)),
        first=after == 0,
    )


def people_labels() -> dict[str, str]:
    """What people call each field of a person. One query."""
    return {key: target.label for key, target in person_targets().items()}


def read_choice(asked: Mapping[str, str]) -> dict[str, str]:
    """The filters of the query string that mean something; others are empty. No query."""
    object_ = asked.get("object", "")
    action, state = asked.get("action", ""), asked.get("state", "")
    search = asked.get("q", "").strip()[:_LONGEST_SEARCH]
    return {
        "object": object_ if object_ in _PAGES else "",
        "action": action if action in PlannedChange.Action.values else "",
        "state": state if state in PlannedChange.State.values else "",
        "q": "" if "\x00" in search else search,
    }


def read_id(text: str | None) -> int:
    """The id after which a page begins; 0 for anything that is none."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > len(str(_BIGGEST_ID)):
        return 0
    return min(int(text), _BIGGEST_ID)


def shown_totals(totals: Sequence[PlanTotal]) -> list[dict[str, Any]]:
    """The totals as links: what, how many, and the query that shows only those. No query."""
    objects = dict(PlannedChange._meta.get_field("object").flatchoices)
    shown = []
    for total in totals:
        told = total.state not in TOLD_BY_ACTION
        action = PlannedChange.Action(total.action).label
        words = f" ({PlannedChange.State(total.state).label.lower()})" if told else ""
        label = f"{objects[total.object]}: {action}{words}"
        query = {"object": total.object, "action": total.action}
        if told:
            query["state"] = total.state
        shown.append({"label": label, "count": total.count, "query": urlencode(query)})
    return shown


def _given(chosen: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in chosen.items() if value}


def filtered_rows(run: SyncRun, chosen: Mapping[str, str]) -> QuerySet[PlannedChange]:
    """The rows of a plan that the filters of `read_choice` leave. No query yet."""
    rows = PlannedChange.objects.filter(run=run)
    for name in ("object", "action", "state"):
        if chosen[name]:
            rows = rows.filter(**{name: chosen[name]})
    if chosen["q"]:
        rows = rows.filter(key__icontains=chosen["q"])
    return rows


def _shown(row: PlannedChange, people_labels: Mapping[str, str], unseen: frozenset[str]) -> PlanRow:
    labels = people_labels if row.object == "person" else SAAS_LABELS
    changes = tuple(
        FieldChange(labels.get(field, field), *_pair(change))
        for field, change in (row.changes or {}).items()
        if field not in unseen
    )
    exists = row.target_id is not None and (
        row.action != PlannedChange.Action.CREATE or row.state == PlannedChange.State.APPLIED
    )
    page = _PAGES[row.object] if exists else ""
    return PlanRow(row, changes, page, token_of(row), standing_of(row))


def _pair(change: Any) -> tuple[Any, Any]:
    if isinstance(change, list) and len(change) == 2:  # noqa: PLR2004 - old and new
        return change[0], change[1]
    return None, change
