"""Departments, people roles and custom fields: what an admin sets up once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from people import fields
from people.admin.common import PageColumn
from people.admin.lists import StepEmptyMixin
from people.admin.page_columns import ColumnsMixin
from people.admin_tools import SafeQueryMixin
from people.counting import CappedCount
from people.errors import FieldInvalid
from people.identity import name_key
from people.models import CustomField, Department, Person, PersonRole

_MOST_COUNTED = 10_000
_MOST_PEOPLE = 1_000


def _up_to(count: int) -> str:
    return f"{count:,}" if count <= _MOST_PEOPLE else f"more than {_MOST_PEOPLE:,}"


def _people_by(model: type[Department | PersonRole], column: str) -> PageColumn:
    def fetch(ids: Sequence[int]) -> Mapping[int, Any]:
        active = Person.objects.filter(**{column: OuterRef("pk"), "status": Person.Status.ACTIVE})
        counted = CappedCount(active.order_by().values("pk")[: _MOST_PEOPLE + 1])
        rows = model.objects.filter(pk__in=list(ids)).order_by().annotate(people_counted=counted)
        page = reverse("admin:people_person_changelist")
        return {
            pk: format_html(
                '<a class="text-link" href="{}?{}={}">{}</a>', page, column, pk, _up_to(count)
            )
            for pk, count in rows.values_list("pk", "people_counted")
        }

    return PageColumn("active_people", "active people", fetch)


@admin.register(Department)
class DepartmentAdmin(ColumnsMixin, SafeQueryMixin, StepEmptyMixin, ModelAdmin):
    """Departments are made by syncs on first mention (BB-30), or here."""

    list_display = ("name",)
    fields = ("name",)
    search_fields = ("name",)
    sortable_by = ("name",)
    list_per_page = 100
    page_columns = (_people_by(Department, "department"),)
    empty_title = "No departments yet"
    empty_text = "A sync makes each department on its first mention; or add one by hand."
    empty_step = ("integrations_integration_changelist", "Go to integrations")

    def save_model(
        self,
        request: HttpRequest,
        obj: Department,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Keep the key that finds near-duplicates in step with the name."""
        obj.name_key = name_key(obj.name)[:200]
        obj.save()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only a department without people can go: theirs would be lost otherwise."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and not (isinstance(obj, Department) and obj.people.exists())


@admin.register(PersonRole)
class PersonRoleAdmin(ColumnsMixin, SafeQueryMixin, StepEmptyMixin, ModelAdmin):
    """Roles that people have in this company; mappings choose among them."""

    list_display = ("name", "description")
    fields = ("name", "description")
    search_fields = ("name",)
    sortable_by = ("name",)
    page_columns = (_people_by(PersonRole, "role"),)
    empty_title = "No people roles yet"
    empty_text = "Add one, such as Employee: a mapping gives it to the people that it creates."
    empty_step = ("people_personrole_add", "Add a role")

    def may_take_step(self, request: HttpRequest) -> bool:
        """Say whether this user adds roles."""
        return bool(self.has_add_permission(request))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only a role that nobody has can go."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and not (isinstance(obj, PersonRole) and obj.people.exists())


class CustomFieldForm(forms.ModelForm):  # type: ignore[type-arg]
    """Asks `people.fields` before anything is saved, so that each refusal stands on its field."""

    class Meta:
        model = CustomField
        fields = ("object", "label", "type", "unique", "visible_to_hr")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            self._check(cleaned)
        except FieldInvalid as problem:
            self.add_error(problem.field if problem.field in self.fields else None, str(problem))
        return cleaned

    def _check(self, cleaned: Mapping[str, Any]) -> None:
        old = self.instance if self.instance.pk else None
        wanted = CustomField(
            pk=self.instance.pk,
            object=old.object if old else cleaned["object"],
            key=old.key if old else fields.field_key(cleaned["label"]),
            label=cleaned["label"],
            type=cleaned.get("type", self.instance.type),
            unique=cleaned["unique"],
        )
        fields.check_field(wanted)


@admin.register(CustomField)
class CustomFieldAdmin(SafeQueryMixin, StepEmptyMixin, ModelAdmin):
    """Custom fields of people and of SaaS users; the key never changes once it is made."""

    form = CustomFieldForm
    list_display = ("label", "shown_key", "object", "type", "unique", "visible_to_hr")
    list_filter = ("object", "type", "unique", "visible_to_hr")
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("label", "key")
    sortable_by = ("label",)
    list_per_page = 100
    actions = None
    empty_title = "No custom fields yet"
    empty_text = "Add a field for a value that vendors have and people here do not, such as an id."
    empty_step = ("people_customfield_add", "Add a field")

    def may_take_step(self, request: HttpRequest) -> bool:
        """Say whether this user adds fields."""
        return bool(self.has_add_permission(request))

    @admin.display(description="key")
    def shown_key(self, field: CustomField) -> str:
        return format_html("<code>{{{{ {} }}}}</code>", field.key)

    @admin.display(description="key")
    def key_on_page(self, field: CustomField) -> str:
        return format_html(
            "<code>{{{{ {} }}}}</code> stays as it is, whatever the label becomes.", field.key
        )

    @admin.display(description="used by")
    def shown_used_by(self, field: CustomField) -> str:
        return "; ".join(fields.used_by(field)) or "Nothing yet"

    @admin.display(description="records with a value")
    def shown_count(self, field: CustomField) -> str:
        count = field.__dict__.get("values_counted", 0)
        return f"{count:,}" if count < _MOST_COUNTED else f"{_MOST_COUNTED:,} or more"

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Count the values once: the page asks several times whether there are any."""
        field = super().get_object(request, object_id, from_field)
        if isinstance(field, CustomField):
            field.__dict__["values_counted"] = fields.count_values(field, most=_MOST_COUNTED)
        return field

    def get_fields(self, request: HttpRequest, obj: CustomField | None = None) -> Sequence[str]:
        if obj is None:
            return ("object", "label", "type", "unique", "visible_to_hr")
        return (
            "object",
            "label",
            "key_on_page",
            "type",
            "unique",
            "visible_to_hr",
            "shown_count",
            "shown_used_by",
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: CustomField | None = None
    ) -> Sequence[str]:
        """The object never changes; the type neither, once a record has a value."""
        if obj is None:
            return ()
        fixed = ("object", "key_on_page", "shown_count", "shown_used_by")
        return (*fixed, "type") if obj.__dict__.get("values_counted") else fixed

    def get_form(
        self,
        request: HttpRequest,
        obj: CustomField | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> Any:
        """Say on the form what choosing long text does."""
        kwargs["help_texts"] = {
            "type": "Long text starts hidden from HR. Cannot be changed once a record has a value."
        }
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(
        self,
        request: HttpRequest,
        obj: CustomField,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Make or change the field by `people.fields`."""
        if change:
            fields.change_field(
                CustomField(pk=obj.pk),
                label=obj.label,
                type=obj.type,
                unique=obj.unique,
                visible_to_hr=obj.visible_to_hr,
            )
            return
        # A new long text is hidden whatever the box said: it is ticked when the page opens (M-36).
        hidden = obj.type == CustomField.Type.LONG_TEXT
        made = fields.make_field(
            label=obj.label,
            type=obj.type,
            object=obj.object,
            unique=obj.unique,
            visible_to_hr=False if hidden else obj.visible_to_hr,
        )
        obj.pk, obj.key = made.pk, made.key

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As Django's; values that cannot be unique are named, and nothing is changed."""
        try:
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except FieldInvalid as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(request.path)
        return response

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A field that a mapping uses stays until the mapping is gone."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and not (isinstance(obj, CustomField) and fields.used_by(obj))

    def delete_model(self, request: HttpRequest, obj: CustomField) -> None:
        """Delete the field with its values."""
        fields.delete_field(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CustomField]) -> None:
        """Delete each with its values; reached by no action of this list."""
        for field in queryset:
            fields.delete_field(field)
