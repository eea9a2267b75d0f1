"""Configuration > Integrations: drafts, their mappings and rules, launching, running."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations import services
from integrations.admin.filters import VendorFilter
from integrations.admin.history import HistoryPage
from integrations.admin.in_words import SHOWN_IN_WORDS, InWords
from integrations.admin.integration_pages import IntegrationPages
from integrations.admin.mappings import MappingInline
from integrations.admin.owners import tell_moves
from integrations.admin.timetable import safety_fieldsets
from integrations.forms.integration import INPUT, IntegrationForm, integration_form
from integrations.models import FieldMapping, Integration
from integrations.overview import (
    field_claims,
    find_trouble,
    last_runs,
    moves,
    step_of_draft,
    with_counts,
)
from integrations.registry import get_vendor, vendors
from integrations.show import badge, since, state_badge
from integrations.timetable import next_runs
from people.admin_tools import SafeQueryMixin, per_request_cache
from people.queries import mapping_targets
from saas.models import Application

_FIRST_PAGE = 50
# A change of one of these makes the next sync look at every record again (M-1).
_LOOK_AGAIN = frozenset({"preference", "filters", "priority", "user_selection"})


@admin.register(Integration)
class IntegrationAdmin(SafeQueryMixin, HistoryPage, InWords, IntegrationPages, ModelAdmin):
    """A list like tiles, one form per integration, and a button for each thing to do."""

    list_display = (
        "name",
        "vendor_label",
        "state_shown",
        "last_run",
        "next_run",
        "next_step",
        "mapping_link",
    )
    list_filter = (VendorFilter, ("state", ChoicesDropdownFilter))
    search_fields = ("name",)
    search_help_text = "Search by name"
    ordering = ("name",)
    list_per_page = _FIRST_PAGE
    list_select_related = ("credentials",)
    list_before_template = "admin/integrations/integration/list_before.html"
    change_form_template = "admin/integrations/integration/change_form.html"
    delete_confirmation_template = "admin/integrations/integration/delete.html"
    inlines = (MappingInline,)
    history_children = ((FieldMapping, "integration_id"),)
    warn_unsaved_form = True
    actions = None

    # The list --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Integration]:
        """With the number of mappings, in the same query."""
        return with_counts(super().get_queryset(request)).defer("credentials__sealed")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Put the last run and the next slot on each row of the page. Two queries more."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        runs, coming = last_runs(rows), next_runs(rows, timezone.now())
        for row in rows:
            row.newest_run, row.next_slot = runs.get(row.pk), coming.get(row.pk)
        changes.result_list = rows
        return changes

    @admin.display(description="Vendor", ordering="vendor")
    def vendor_label(self, row: Integration) -> str:
        known = vendors().get(row.vendor)
        return known.label if known else row.vendor

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: Integration) -> SafeString:
        trouble = find_trouble(row, ())
        shown = state_badge(row)
        if trouble is None:
            return shown
        return format_html(
            '{} <span title="{}">{}</span>', shown, trouble.text, badge(trouble.badge, trouble.kind)
        )

    @admin.display(description="Last run")
    def last_run(self, row: Any) -> SafeString | str:
        run = row.newest_run
        if run is None:
            return "Never"
        link = reverse("admin:integrations_syncrun_change", args=(run.pk,))
        at = run.finished_at or run.started_at or run.queued_at
        return format_html(
            '<a class="rc-link" href="{}">{}</a> {}', link, state_badge(run), since(at)
        )

    @admin.display(description="Next step")
    def next_step(self, row: Any) -> str:
        if row.state == Integration.State.DRAFT:
            return step_of_draft(row)
        run = row.newest_run
        if run is None:
            return "Preview the first run"
        if run.state == run.State.FAILED:
            return "See why the last run failed"
        if run.counts.get("issues"):
            return f"Look at {run.counts['issues']} issues"
        return (
            "–" if row.state == Integration.State.ACTIVE else "Launch it again when you are ready"
        )

    @admin.display(description="Mappings", ordering="mapping_count")
    def mapping_link(self, row: Any) -> SafeString:
        link = reverse("admin:integrations_integration_change", args=(row.pk,))
        word = "Mapping" if row.mapping_count == 1 else "Mappings"
        return format_html(
            '<a class="rc-link" href="{}#mappings-section">{} {}</a>', link, row.mapping_count, word
        )

    # The form --------------------------------------------------------------------------------

    def get_form(
        self,
        request: HttpRequest,
        obj: Integration | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm]:  # type: ignore[type-arg]
        """The form with the inputs of this vendor."""
        if obj is not None:
            known = per_request_cache(request, "variables", services.variables)
            kwargs["form"] = integration_form(obj, known_variables=known)
        return super().get_form(request, obj, change, **kwargs)  # type: ignore[no-any-return]

    def get_fieldsets(self, request: HttpRequest, obj: Integration | None = None) -> Any:
        """In the order in which a newcomer decides; readers see words instead of inputs."""
        if obj is None:
            return [(None, {"fields": ["name"]})]
        writes = self.has_change_permission(request, obj)
        inputs = [INPUT + name for name in get_vendor(obj.vendor).inputs]
        several = Application.objects.filter(vendor=obj.vendor).count() > 1
        asks = ["application"] if several and obj.state == Integration.State.DRAFT else []
        fixed = ["application_shown"] if obj.application_id and not asks else []
        return [
            ("Information", {"fields": ["name", "user_selection", *asks, *fixed, "installation"]}),
            (
                "Connection",
                {
                    "fields": ["credentials", *inputs, "run_as"]
                    if writes
                    else ["credentials_shown", "inputs_shown", "run_as"]
                },
            ),
            (
                "Preferences",
                {"fields": ["preference", "priority", "missing_users", "missing_people"]},
            ),
            ("Rules for syncing", {"fields": ["filters" if writes else "filters_shown"]}),
            *safety_fieldsets(writes=writes),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Integration | None = None) -> Any:
        """What is shown in words; the selection of users is bound when an application is."""
        return SHOWN_IN_WORDS

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without the theme's buttons beside selects: links under the field lead there."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for option in ("can_add_related", "can_change_related", "can_view_related"):
            if field is not None and hasattr(field.widget, option):
                setattr(field.widget, option, False)
        if field is not None and hasattr(field.widget, "can_delete_related"):
            field.widget.can_delete_related = False
        return field

    # Saving ----------------------------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: Integration, form: IntegrationForm, change: Any
    ) -> None:
        """Save, and say which inputs were made shorter; `_saved` looks at the rest."""
        request.__dict__["_before"] = (field_claims(), services.field_owners())
        super().save_model(request, obj, form, change)
        for typed, kept in form.kept_from.items():
            messages.info(request, f'From "{typed[:200]}" only "{kept}" is needed and was kept.')

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Save mappings so that two rows may swap their sync keys or targets."""
        with transaction.atomic():
            changed = [f.instance.pk for f in formset.initial_forms if f.has_changed()]
            for pk in changed:  # as many as rows that were edited by hand
                FieldMapping.objects.filter(pk=pk).update(sync_key=None, target=f"~{pk}")
            for position, row_form in enumerate(formset.forms):
                row_form.instance.position = position
            formset.save()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """After everything is saved: look again, and name the fields that changed hands (M-6)."""
        super().save_related(request, form, formsets, change)
        touched = _LOOK_AGAIN & set(form.changed_data)
        if touched or any(formset.has_changed() for formset in formsets):
            services.look_again(form.instance)
        if "_before" in request.__dict__:
            claims, owners = request.__dict__["_before"]
            services.hold_new_owners(owners)
            tell_moves(request, moves(claims, field_claims()))

    def delete_model(self, request: HttpRequest, obj: Integration) -> None:
        """Delete; who comes to own its fields is held to a preview first (M-6)."""
        claims, owners = field_claims(), services.field_owners()
        super().delete_model(request, obj)
        services.hold_new_owners(owners)
        tell_moves(request, moves(claims, field_claims()))

    # Pages -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """One address for each thing to do; all that change something take POST only."""
        return [*self.action_urls(), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Choose vendor and load; the rest is asked on the draft's own page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.choose_load(request)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the check list, the buttons, the last runs and who owns which field."""
        row: Integration | None = kwargs.get("obj")
        if row is not None:
            context.update(self.change_context(request, row))
        context["show_save_and_add_another"] = False
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[no-any-return]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say in words what goes; the links of 100,000 records are not listed one by one."""
        names = [f"Integration: {row}" for row in objs]
        more = ["Its mappings", "What it remembers of each record that it has seen"]
        return [*names, more], {"integrations": len(names)}, set(), []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Name the fields whose owner it is, and who comes next (M-6)."""
        row = self.get_object(request, unquote(object_id))
        claims = field_claims() if row is not None else {}
        labels = {key: target.label for key, target in mapping_targets().items()}
        owned = [
            (labels.get(key, key), claim.next[0].name if claim.next else "nobody")
            for key, claim in claims.items()
            if row is not None and claim.owner.integration_id == row.pk
        ]
        context = {"owned": owned, **(extra_context or {})}
        answer: HttpResponse = super().delete_view(request, object_id, context)
        return answer
