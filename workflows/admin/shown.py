"""What the pages of runs share: where an item is and what it waits for, links, hidden values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.admin.unseen import unseen_fields
from integrations.show import moment
from people.models import CustomField
from workflows.definition import END, Definition
from workflows.models import RunItem, Workflow
from workflows.records import read_records
from workflows.sight import made_of, names_of
from workflows.versions import kept_definition

RUN = "workflows.run_workflow"
VIEW_RUNS = "workflows.view_workflowrun"
VIEW_ITEMS = "workflows.view_runitem"
VIEW_PAYLOAD = "workflows.view_payload"
HIDDEN_NOTE = "It speaks of a field that you may not see. Ask an IT admin."
_BIGGEST_ID = 2**63 - 1
_SHORTEST_VALUE = 2
_SHOWN_UNDER = "_shown_under"
_PAGES = {
    Workflow.Object.PERSON.value: ("people.view_person", "people_person_change"),
    Workflow.Object.SAAS_USER.value: ("saas.view_saasuser", "saas_saasuser_change"),
}
State = RunItem.State


def record_url(request: HttpRequest, workflow: Workflow, record_id: int) -> str:
    """The page of a record, for who may open it; else empty. No query."""
    permission, page = _PAGES[workflow.object]
    return reverse(f"admin:{page}", args=(record_id,)) if request.user.has_perm(permission) else ""


def block_label(item: RunItem) -> str:
    """Where an item is, as people named it. `version` has to be read with the item."""
    if item.block == END:
        return "End"
    block = kept_definition(item.version_id, item.version.created_at).find(item.block)
    return block.label if block is not None else item.block


def standing(
    request: HttpRequest, item: RunItem, now: datetime, note: str = ""
) -> SafeString | str:
    """What an item waits for, with time and zone; empty where it waits for nothing. No query.

    Nor where the note that stands below says so: then it would be read twice.
    """
    if item.state == State.READY and item.due_at is not None and item.due_at > now:
        return f"Goes on at {moment(item.due_at)}"
    if item.state != State.WAITING:
        return ""
    if item.waits_for == RunItem.WaitsFor.OPERATION and item.operation_id is not None:
        return format_html("Waits for {}", operation_link(request, item.operation_id))
    if item.due_at is not None and moment(item.due_at) in note:
        return ""
    if item.waits_for == RunItem.WaitsFor.APPROVAL:
        return f"Waits for an approval, until {moment(item.due_at)}"
    return f"Waits until {moment(item.due_at)}" if item.due_at is not None else ""


def operation_link(request: HttpRequest, pk: int) -> SafeString | str:
    """`operation 42`, linked for who may open it. No query."""
    if not request.user.has_perm("integrations.view_operation"):
        return f"operation {pk}"
    page = reverse("admin:integrations_operation_change", args=(pk,))
    return format_html('<a class="rc-link" href="{}">operation {}</a>', page, pk)


def veil_for(
    request: HttpRequest, workflow: Workflow, record_ids: Iterable[int]
) -> Callable[[str], str]:
    """Puts a sentence in place of notes that speak of a field hidden from the reader (M-36).

    By the field's name, and by the values that these records have. No query for who sees all; at
    most four for the others.
    """
    hidden = frozenset().union(*unseen_fields(request).values())
    if not hidden:
        return lambda text: text
    words = set(hidden)
    words |= set(CustomField.objects.filter(key__in=hidden).values_list("label", flat=True))
    for record in read_records(workflow, record_ids).values():
        words |= {str(value) for value in _values(record.values, hidden)}
    folded = {word.casefold() for word in words if len(word) >= _SHORTEST_VALUE}

    def veil(text: str) -> str:
        plain = text.casefold()
        return HIDDEN_NOTE if any(word in plain for word in folded) else text

    return veil


def unseen_blocks(request: HttpRequest, definition: Definition) -> frozenset[str]:
    """Blocks that read what is hidden from the reader: their notes may quote it as it was then."""
    hidden = frozenset().union(*unseen_fields(request).values())
    unseen = made_of(hidden, definition)
    return frozenset(block.key for block in definition.blocks if names_of(block) & unseen)


def _values(values: Mapping[str, Any], hidden: frozenset[str]) -> Iterable[Any]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _values(value, hidden)
        elif key in hidden and value not in (None, ""):
            yield value


def payload_is_theirs(request: HttpRequest) -> bool:
    """Whether they may read requests and answers, which may hold any field. At most one query."""
    return request.user.has_perm(VIEW_PAYLOAD) and not any(unseen_fields(request).values())


def show_under(request: HttpRequest, model: str) -> None:
    """Mark another entry of the side bar than the address says. Before the side bar is made."""
    request.__dict__[_SHOWN_UNDER] = model


def shown_under(request: HttpRequest) -> str:
    """The model whose entry of the side bar is to be marked; empty where the address decides."""
    return str(request.__dict__.get(_SHOWN_UNDER, ""))


def trail(*parts: tuple[str, str]) -> list[dict[str, Any]]:
    """The links above a page, from (title, address); without an address only the title."""
    return [{"title": title, "link": link, "as_written": True} for title, link in parts]


def read_number(text: str | None) -> int:
    """An id from an address; 0 for anything that is none."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > len(str(_BIGGEST_ID)):
        return 0
    return min(int(text), _BIGGEST_ID)


def read_ids(texts: Iterable[str]) -> list[int]:
    """The ids among these texts, each once; texts may hold several between spaces."""
    numbers = (read_number(part) for text in texts for part in text.split())
    return [pk for pk in dict.fromkeys(numbers) if pk]
