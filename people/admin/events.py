"""The event log as a list: read only for everybody, without what a reader may not see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from people import fields
from people.admin.common import (
    DASH,
    KIND_COLOURS,
    badge,
    moment_column,
    page_url,
    run_url,
    sight_for,
)
from people.admin.lists import StepEmptyMixin
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin
from people.history import Entry, labels_of, read_event
from people.identity import email_key
from people.models import CustomField, Event

_LINES_SHOWN = 3
_MOST_MATCHES = 50
_PAGES = {
    CustomField.Object.PERSON.value: "people_person_change",
    CustomField.Object.SAAS_USER.value: "saas_saasuser_change",
}


class EventChangeList(ChangeList):
    """Reads the page's events as the signed-in user may see them; names the records in sets."""

    def get_results(self, request: HttpRequest) -> None:
        """As Django's, and one query per kind of record on the page."""
        super().get_results(request)
        events = [event for event in self.result_list if read_for(request, event) is not None]
        names = record_names(events)
        for event in events:
            event.__dict__["entry"] = read_for(request, event)
            event.__dict__["record_name"] = names.get((event.object, event.object_id))
            event.__dict__["run_page"] = run_url(request, event.run_id)
        self.result_list = events


def read_for(request: HttpRequest, event: Event) -> Entry | None:
    """The event as this user may see it, None when nothing of it is theirs to see."""
    sight = sight_for(request, event.object)
    return read_event(event, sight, labels_of(event.object, sight))


def record_names(events: Iterable[Event]) -> dict[tuple[str, int], str]:
    """What the records of events are called now. One query per kind of record."""
    wanted: dict[str, set[int]] = {}
    for event in events:
        wanted.setdefault(event.object, set()).add(event.object_id)
    names = {}
    for kind, ids in wanted.items():
        if kind in fields.value_models:
            for row in fields.records_of(kind).filter(pk__in=ids):
                names[kind, row.pk] = str(row)
    return names


@admin.register(Event)
class EventAdmin(ReadOnlyMixin, SafeQueryMixin, StepEmptyMixin, ModelAdmin):
    """History of all records. Nobody adds, changes or deletes an event (S-20)."""

    list_display = ("when", "record", "shown_kind", "changed", "who", "run")
    list_display_links = ("when",)
    list_filter = (
        ("object", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("source", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    change_form_template = "people/plain_form.html"
    search_fields = ("object_id",)
    search_help_text = "The e-mail of a person or of a SaaS user, whole"
    actions = None
    fields = ("when", "record", "shown_kind", "who", "run", "note_shown", "lines")
    readonly_fields = fields
    empty_title = "Nothing happened yet"
    empty_text = "Each change of a person or of a SaaS user is listed here, with who made it."
    empty_step = ("integrations_integration_changelist", "Go to integrations")

    class Media:
        css = {"all": ["people/records.css"]}

    # -- who may what ------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """An event of which this user may see no field is not theirs to open (M-36)."""
        allowed: bool = request.user.has_perm("people.view_event")
        return allowed and not (isinstance(obj, Event) and read_for(request, obj) is None)

    # -- the list ----------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EventChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Events of the records that have this e-mail: by indexes, whatever the log's size."""
        key = email_key(search_term[:320])
        if not key or "\x00" in key:
            return queryset.none() if search_term.strip() else queryset, False
        for kind in fields.value_models:
            found = fields.records_of(kind).filter(email_key=key)
            ids = list(found.values_list("pk", flat=True)[:_MOST_MATCHES])
            if ids:
                return queryset.filter(object=kind, object_id__in=ids), False
        return queryset.none(), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Read the event as the user may see it, once."""
        event = super().get_object(request, object_id, from_field)
        if isinstance(event, Event):
            event.__dict__["entry"] = read_for(request, event)
            event.__dict__["record_name"] = record_names([event]).get(
                (event.object, event.object_id)
            )
            event.__dict__["run_page"] = run_url(request, event.run_id)
        return event

    # -- columns -----------------------------------------------------------------------------

    @admin.display(description="when")
    def when(self, event: Event) -> SafeString | str:
        return moment_column(event.at)

    @admin.display(description="record")
    def record(self, event: Event) -> SafeString | str:
        name = event.__dict__.get("record_name")
        kind = event.get_object_display()
        page = page_url(_PAGES[event.object], event.object_id)
        if name is None or page is None:
            return f"{kind} {event.object_id}"
        return format_html('<a class="text-link" href="{}">{}</a>', page, name)

    @badge("what", KIND_COLOURS)
    def shown_kind(self, event: Event) -> str:
        return event.get_kind_display()

    @admin.display(description="who")
    def who(self, event: Event) -> str:
        return f"{event.actor} ({event.get_source_display().lower()})"

    @admin.display(description="run")
    def run(self, event: Event) -> SafeString | str:
        if event.run_id is None:
            return DASH
        page = event.__dict__.get("run_page")
        if page is None:
            return f"Run {event.run_id}"
        return format_html('<a class="text-link" href="{}">Run {}</a>', page, event.run_id)

    @admin.display(description="changed")
    def changed(self, event: Event) -> SafeString | str:
        """The first fields, old -> new where there was an old value."""
        entry: Entry | None = event.__dict__.get("entry")
        if entry is None or not entry.lines:
            return DASH
        shown = format_html_join(", ", "{}", ((line.label,) for line in entry.lines[:_LINES_SHOWN]))
        more = len(entry.lines) - _LINES_SHOWN
        return format_html("{} +{}", shown, more) if more > 0 else shown

    @admin.display(description="note")
    def note_shown(self, event: Event) -> str:
        entry: Entry | None = event.__dict__.get("entry")
        return (entry.note if entry else "") or DASH

    @admin.display(description="changes")
    def lines(self, event: Event) -> SafeString | str:
        entry: Entry | None = event.__dict__.get("entry")
        return change_list(entry.lines) if entry and entry.lines else DASH


def _old(text: str) -> SafeString | str:
    return format_html('<del>{}</del> <span aria-hidden="true">→</span> ', text) if text else ""


def change_list(lines: Sequence[Any]) -> SafeString:
    """Old -> new of each field as a list."""
    return format_html(
        '<ul class="rec-changes">{}</ul>',
        format_html_join(
            "",
            "<li><strong>{}</strong> {}<ins>{}</ins></li>",
            ((line.label, _old(line.old), line.new or "blank") for line in lines),
        ),
    )
