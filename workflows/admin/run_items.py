"""The records of a run on its page: filtered, by their id, so that every page costs the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from people.admin.persons import PersonAdmin
from people.models import Person
from people.search import search_rows
from saas.admin import SaaSUserAdmin
from saas.models import SaaSUser
from workflows.admin.shown import (
    HIDDEN_NOTE,
    block_label,
    read_number,
    standing,
    veil_for,
)
from workflows.admin.unseen import unseen_in_run
from workflows.definition import END
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.versions import definition_of

PAGE = 50
_LONGEST_SEARCH = 200


@dataclass(frozen=True)
class ItemRow:
    """An item with the words that its row shows."""

    item: RunItem
    where: str
    waits: SafeString | str
    note: str


@dataclass(frozen=True)
class ItemPage:
    """One page, what it was asked for, what can be asked for, and where the next one begins."""

    rows: Sequence[ItemRow]
    chosen: Mapping[str, str]
    states: Sequence[tuple[str, str]]
    blocks: Sequence[tuple[str, str]]
    next_query: str
    is_first: bool


def read_choice(run: WorkflowRun, asked: Mapping[str, str]) -> dict[str, str]:
    """The filters of a query string that mean something; others are empty."""
    state, block, search = asked.get("state", ""), asked.get("block", ""), asked.get("q", "")
    known = {key for key, _label in blocks_of(run)}
    return {
        "state": state if state in RunItem.State.values else "",
        "block": block if block in known else "",
        "q": "" if "\x00" in search else search.strip()[:_LONGEST_SEARCH],
    }


def blocks_of(run: WorkflowRun) -> list[tuple[str, str]]:
    """The blocks of the version that a run began with, by key. No query where it is known."""
    blocks = definition_of(run.version).blocks
    return [*((block.key, block.label) for block in blocks), (END, "End")]


def filtered_items(run: WorkflowRun, chosen: Mapping[str, str]) -> QuerySet[RunItem]:
    """The items that the filters of `read_choice` leave. No query yet."""
    rows = RunItem.objects.filter(run=run.pk)
    if chosen["state"]:
        rows = rows.filter(state=chosen["state"])
    if chosen["block"]:
        rows = rows.filter(block=chosen["block"])
    if chosen["q"]:
        # By the records: their texts have an index that one of items would have to pay for at
        # each step.
        found = find_records(run.workflow.object, chosen["q"])
        rows = rows.filter(record_id__in=found.order_by().values("pk"))
    return rows


def find_records(object_: str, term: str) -> QuerySet[Any]:
    """People or SaaS users by name or e-mail, as in their own lists. No query yet."""
    if object_ == Workflow.Object.PERSON:
        return search_rows(Person.objects.order_by("pk"), PersonAdmin.search_columns, term)
    return search_rows(SaaSUser.objects.order_by("pk"), SaaSUserAdmin.search_columns, term)


def _veil_all(note: str) -> str:
    return HIDDEN_NOTE if note else ""


def read_items(request: HttpRequest, run: WorkflowRun, asked: Mapping[str, str]) -> ItemPage:
    """The page of records that a query string asks for. One query; more for hidden fields.

    By the ids of the items where one state is asked for, else of the records: as indexes hold them.
    """
    chosen = read_choice(run, asked)
    after, now = read_number(asked.get("after")), timezone.now()
    order = "pk" if chosen["state"] else "record_id"
    rows = filtered_items(run, chosen).filter(**{f"{order}__gt": after}).select_related("version")
    found = list(rows.defer("context", "version__begin").order_by(order)[: PAGE + 1])
    kept = found[:PAGE]
    veil = veil_for(request, run.workflow, [item.record_id for item in kept])
    if unseen_in_run(request, run):
        veil = _veil_all
    given = {name: value for name, value in chosen.items() if value}
    return ItemPage(
        rows=[
            ItemRow(
                item,
                block_label(item),
                standing(request, item, now, veil(item.note)),
                veil(item.note),
            )
            for item in kept
        ],
        chosen=chosen,
        states=RunItem.State.choices,
        blocks=blocks_of(run),
        next_query=urlencode({**given, "after": getattr(kept[-1], order)})
        if len(found) > PAGE
        else "",
        is_first=after == 0,
    )
