"""People: the list, the page of a person with its tabs, and writing by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant

from people import by_hand
from people.admin import filters
from people.admin.common import (
    STATUS_COLOURS,
    PageColumn,
    Panel,
    badge,
    owners_for,
    sight_for,
)
from people.admin.lists import ExportListMixin, SearchMixin, StepEmptyMixin
from people.admin.moving import DEACTIVATE, REACTIVATE, Move, confirm_move
from people.admin.page_columns import ColumnsMixin
from people.admin.panels import PanelsMixin
from people.admin.person_form import (
    PREFIX,
    PersonForm,
    custom_inputs,
    help_for_owned,
    shown_value,
)
from people.admin.person_panels import PERSON_PANELS
from people.admin_tools import SafeQueryMixin
from people.errors import PersonGone, PersonInvalid
from people.models import CustomField, Person
from people.search import PERSON_SEARCH
from people.sheets import PersonSheet

_PERSON = CustomField.Object.PERSON.value
_LONGEST_ID = 19
_SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Who it is",
        ("full_name", "first_name", "last_name", "preferred_name", "email", "username"),
    ),
    ("Work", ("employee_id", "title", "department", "manager", "role", "location", "country")),
    ("Contact", ("phone", "mobile_phone")),
    (
        "Employment",
        ("status", "employment_status", "hire_date", "deactivation_date", "birthday"),
    ),
)


@admin.register(Person)
class PersonAdmin(  # type: ignore[misc]
    PanelsMixin,
    ColumnsMixin,
    SafeQueryMixin,
    StepEmptyMixin,
    SearchMixin,
    ExportListMixin,
    ModelAdmin,
):
    """Writes only through `by_hand`; nobody deletes a person, people are deactivated."""

    form = PersonForm
    change_form_template = "people/person_form.html"
    list_display = ("name", "shown_email", "title", "department", "manager", "shown_status", "role")
    list_display_links = ("name",)
    list_select_related = ("department", "manager", "role")
    list_filter = (filters.PersonStatus, filters.DepartmentFilter, filters.RoleFilter)
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ("name", "shown_email")
    search_fields = ("email",)
    search_columns = PERSON_SEARCH
    search_whole = ("employee_id",)
    search_help_text = "Name, e-mail, username or employee ID"
    ordering = ("id",)
    autocomplete_fields = ("department", "manager")
    actions = ("deactivate_selected", "reactivate_selected")
    actions_detail = ("deactivate", "reactivate")
    warn_unsaved_form = True
    sheet_class = PersonSheet
    empty_title = "No people yet"
    empty_text = (
        "People come from an integration, such as that of your HR system. Launch one and run it, "
        "or add somebody by hand."
    )
    empty_step = ("integrations_integration_changelist", "Go to integrations")

    panels: list[Panel] = list(PERSON_PANELS)
    page_columns: list[PageColumn] = []

    class Media:
        css = {"all": ["people/records.css"]}

    # -- the list ----------------------------------------------------------------------------

    @admin.display(description="name", ordering="full_name")
    def name(self, person: Person) -> str:
        return str(person)

    @admin.display(description="e-mail", ordering="email_key", empty_value="–")
    def shown_email(self, person: Person) -> str:
        return person.email

    @badge("status", STATUS_COLOURS)
    def shown_status(self, person: Person) -> str:
        return person.get_status_display()

    # -- who may what ------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Offer to deactivate who is active, to reactivate who is not. One query."""
        offered: list[Any] = super().get_actions_detail(request, object_id)
        person = self.get_object(request, unquote(str(object_id)))
        other = DEACTIVATE if person and person.status != DEACTIVATE.from_status else REACTIVATE
        name = other.action.removesuffix("_selected")
        return [action for action in offered if not action.action_name.endswith(f"_{name}")]

    # -- the form ----------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Person | None = None) -> Any:
        """The built-in sections, then the custom fields that this user may see."""
        sections = [
            (title, {"fields": [name for name in names if obj is not None or name != "status"]})
            for title, names in _SECTIONS
        ]
        fixed = self._read_only_custom(request, obj)
        custom = [
            fixed.get(field.key, f"{PREFIX}{field.key}")
            for field in sight_for(request, _PERSON).custom
        ]
        if custom:
            sections.append(("More fields", {"fields": custom}))
        return sections

    def get_readonly_fields(self, request: HttpRequest, obj: Person | None = None) -> Any:
        """Status is moved by actions; what an integration owns is written by its syncs (M-7)."""
        fixed: list[Any] = ["status", *self._read_only_custom(request, obj).values()]
        if obj is not None:
            names = {name for _title, names in _SECTIONS for name in names}
            fixed.extend(sorted(names.intersection(owners_for(request)) - {"status"}))
        return fixed

    def _read_only_custom(self, request: HttpRequest, obj: Person | None) -> dict[str, Any]:
        owned = owners_for(request) if obj is not None else {}
        may_write = (
            self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        )
        return {
            field.key: shown_value(field)
            for field in sight_for(request, _PERSON).custom
            if field.key in owned or not may_write
        }

    def get_form(
        self,
        request: HttpRequest,
        obj: Person | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[ModelForm[Person]]:
        """The form of this request: with the inputs of the custom fields that may be written."""
        fixed = self._read_only_custom(request, obj)
        fields = tuple(
            field for field in sight_for(request, _PERSON).custom if field.key not in fixed
        )
        kwargs["form"] = type("PersonForm", (PersonForm,), custom_inputs(fields))
        if obj is not None:
            kwargs["help_texts"] = help_for_owned(owners_for(request))
        form: type[ModelForm[Person]] = super().get_form(request, obj, change=change, **kwargs)
        return form

    def save_model(
        self,
        request: HttpRequest,
        obj: Person,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Write what was changed, with its event; see `by_hand.save_person`."""
        target = Person(pk=obj.pk) if change else Person()
        saved = by_hand.save_person(
            target, form.changed_values(), actor=request.user.get_username()
        )
        obj.pk = saved.pk

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As Django's, with the tabs; who was overtaken while saving is told, and looks again."""
        extra: dict[str, Any] = {**(extra_context or {})}
        _keep_ids(request, self.autocomplete_fields)
        if object_id:
            extra["tabs"] = self.tabs(request, object_id, "")
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, extra)
        except (PersonInvalid, PersonGone) as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(request.path)
        return response

    # -- moving people -----------------------------------------------------------------------

    @admin.action(description="Deactivate…", permissions=["change"])
    def deactivate_selected(
        self, request: HttpRequest, queryset: QuerySet[Person]
    ) -> HttpResponse | None:
        return confirm_move(self, request, queryset, DEACTIVATE)

    @admin.action(description="Reactivate…", permissions=["change"])
    def reactivate_selected(
        self, request: HttpRequest, queryset: QuerySet[Person]
    ) -> HttpResponse | None:
        return confirm_move(self, request, queryset, REACTIVATE)

    @action(  # type: ignore[untyped-decorator]
        description="Deactivate…",
        permissions=["change"],
        url_path="deactivate",
        icon="person_off",
        variant=ActionVariant.DANGER,
    )
    def deactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move_one(request, object_id, DEACTIVATE)

    @action(  # type: ignore[untyped-decorator]
        description="Reactivate…", permissions=["change"], url_path="reactivate", icon="person"
    )
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move_one(request, object_id, REACTIVATE)

    def _move_one(self, request: HttpRequest, object_id: str, move: Move) -> HttpResponse:
        person: Person | None = self.get_object(request, unquote(object_id))
        if person is None:
            return self._gone(request, object_id)
        only = Person.objects.filter(pk=person.pk)
        page: HttpResponse | None = confirm_move(self, request, only, move)
        return page if page is not None else HttpResponseRedirect(request.path)


def _keep_ids(request: HttpRequest, names: Iterable[str]) -> None:
    """Turn what is no id at all into one that nobody has.

    The form refuses both, but only the second can be shown again: the input that completes names
    asks the database for it.
    """
    if request.method != "POST":
        return
    posted = request.POST.copy()
    for name in names:
        value = posted.get(name, "")
        if value and not (value.isascii() and value.isdecimal() and len(value) < _LONGEST_ID):
            posted[name] = "0"
    request.POST = posted  # type: ignore[assignment]
