"""The pages and buttons of an integration besides its form: each calls one service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from integrations import services
from integrations.admin.owners import show_claims
from integrations.admin.timetable import limits_today, show_timetable
from integrations.drafts import make_draft
from integrations.errors import AlreadyRunning, IntegrationsError, NotReady
from integrations.forms.people_field import PeopleFieldForm
from integrations.forms.rename import RenameForm
from integrations.mails import misses_failures
from integrations.models import FieldMapping, Integration, SyncRun
from integrations.overview import find_trouble
from integrations.registry import get_vendor, vendors
from people.admin_tools import per_request_cache
from people.errors import FieldInvalid
from people.fields import make_field
from people.queries import mapping_targets

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

_SHOWN_RUNS = 5


class IntegrationPages(_Base):
    """For the IntegrationAdmin: the views behind its buttons."""

    def action_urls(self) -> list[URLPattern]:
        """Each with its name; the ones that change something refuse GET."""
        wrap = self.admin_site.admin_view
        changing = {
            "launch": self.launch_view,
            "pause": self.pause_view,
            "preview": self.preview_view,
            "run": self.run_view,
        }
        urls = [
            path(
                f"<path:object_id>/{name}/",
                wrap(require_POST(view)),
                name=f"integrations_integration_{name}",
            )
            for name, view in changing.items()
        ]
        rename = path(
            "<path:object_id>/rename-account/",
            wrap(self.rename_view),
            name="integrations_integration_rename_account",
        )
        add_field = path(
            "<path:object_id>/add-field/",
            wrap(self.add_field_view),
            name="integrations_integration_add_field",
        )
        return [*urls, add_field, rename]

    def choose_load(self, request: HttpRequest) -> HttpResponse:
        """Show each vendor with its loads; POST makes a draft and opens it."""
        if request.method == "POST":
            vendor = vendors().get(request.POST.get("vendor", ""))
            load = request.POST.get("load", "")
            if vendor is None or load not in vendor.loads:
                raise Http404
            draft = make_draft(vendor.key, load, by=request.user)  # type: ignore[arg-type]
            self.log_addition(request, draft, [{"added": {}}])
            messages.success(
                request, f'"{draft}" is a draft now. Complete it below; nothing runs until Launch.'
            )
            return redirect("admin:integrations_integration_change", draft.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "New integration",
            "opts": self.model._meta,
            "vendors": vendors().values(),
        }
        return TemplateResponse(request, "admin/integrations/integration/choose.html", context)

    def launch_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Launch; what is missing stands as one message each."""
        row = self._row(request, object_id, "integrations.launch_integration")
        try:
            services.launch(row, by=request.user.get_username())
        except NotReady as problem:
            for one in problem.problems:
                messages.error(request, one.message)
        except IntegrationsError as problem:
            messages.error(request, f"It was not launched. {problem.message}")
        else:
            messages.success(request, f'"{row}" is active. Preview its first run before it writes.')
        return _back_to(row)

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pause; the integration keeps the fields that it owns."""
        row = self._row(request, object_id, "integrations.launch_integration")
        if row.state != Integration.State.ACTIVE:
            messages.warning(request, f'"{row}" is not active, so there is nothing to pause.')
            return _back_to(row)
        services.pause(row, by=request.user.get_username())
        messages.success(request, f'"{row}" is paused. It keeps its fields and runs no more.')
        return _back_to(row)

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue a run that changes nothing."""
        row = self._row(request, object_id, "integrations.preview_integration")
        return self._queue(request, row, SyncRun.Kind.PREVIEW)

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue a run that applies what it plans."""
        row = self._row(request, object_id, "integrations.run_integration")
        return self._queue(request, row, SyncRun.Kind.SYNC)

    def add_field_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a people field and map a source to it, in one step (AH-24)."""
        row = self._row(request, object_id, "integrations.change_integration")
        if not request.user.has_perm("people.add_customfield"):
            raise PermissionDenied
        form = PeopleFieldForm(
            request.POST or None, integration=row, source=request.GET.get("source", "")
        )
        if request.method == "POST" and form.is_valid():
            try:
                label = _add_field(row, form.cleaned_data)
            except FieldInvalid as problem:
                form.add_error(
                    problem.field if problem.field in form.fields else None, str(problem)
                )
            else:
                messages.success(request, f'The people field "{label}" was made and is mapped.')
                return _back_to(row, "mappings-section")
        context = {
            **self.admin_site.each_context(request),
            "title": "Add new people field",
            "opts": self.model._meta,
            "original": row,
            "form": form,
        }
        return TemplateResponse(request, "admin/integrations/integration/add_field.html", context)

    def rename_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The account has another name at the vendor: everything of it moves along (M-1)."""
        row = self._row(request, object_id, "integrations.launch_integration")
        if row.tenant is None or not request.user.has_perm("integrations.change_integration"):
            raise PermissionDenied
        form = RenameForm(request.POST or None, integration=row)
        if request.method == "POST" and form.is_valid():
            new = form.cleaned_data["new"]
            try:
                links = services.rename_account(
                    row.vendor, row.tenant, new, by=request.user.get_username()
                )
            except NotReady as problem:
                form.add_error("new", problem.message)
            else:
                messages.success(
                    request,
                    f'The account is "{new}" now; {links:,} records moved along. Set the new name '
                    "in the inputs below, or in the global variable that they follow.",
                )
                return _back_to(row)
        context = {
            **self.admin_site.each_context(request),
            "title": "The account was renamed",
            "opts": self.model._meta,
            "original": row,
            "form": form,
        }
        return TemplateResponse(request, "admin/integrations/integration/rename.html", context)

    def change_context(self, request: HttpRequest, row: Integration) -> dict[str, Any]:
        """What stands around the form. About fifteen queries."""
        may, now = request.user.has_perm, timezone.now()
        runs = list(row.runs.all()[:_SHOWN_RUNS])
        draft = row.state == Integration.State.DRAFT
        load = get_vendor(row.vendor).load(row.load)
        targets = per_request_cache(request, "mapping targets", mapping_targets)
        mapped = list(row.mappings.values_list("target", flat=True))
        return {
            "problems": services.problems_before_launch(row),
            "trouble": find_trouble(row, [run for run in runs if run.kind == SyncRun.Kind.SYNC]),
            "is_draft": draft,
            "load": load,
            "vendor": get_vendor(row.vendor),
            "timetable": show_timetable(row, now),
            "limits_today": limits_today(row, now),
            "runs": runs if may("integrations.view_syncrun") else [],
            "active_run": next((run for run in runs if run.state in SyncRun.ACTIVE_STATES), None),
            "mapping_count": len(mapped),
            "rule_count": _count_rules(row.filters),
            "claims": show_claims(row, mapped, targets),
            "may_preview": may("integrations.preview_integration"),
            "may_run": may("integrations.run_integration") and not draft,
            "may_launch": may("integrations.launch_integration"),
            "may_add_field": may("people.add_customfield")
            and may("integrations.change_integration"),
        }

    def _queue(self, request: HttpRequest, row: Integration, kind: str) -> HttpResponse:
        try:
            run = services.queue_run(row, kind=kind, by=request.user.get_username())
        except AlreadyRunning as problem:
            if problem.run_id is None:
                messages.warning(request, problem.message)
                return _back_to(row)
            link = reverse("admin:integrations_syncrun_change", args=(problem.run_id,))
            messages.warning(
                request,
                format_html(
                    '{} <a href="{}">Open run {}</a>', problem.message, link, problem.run_id
                ),
            )
            return _back_to(row)
        except NotReady as problem:
            for one in problem.problems:
                messages.error(request, one.message)
            return _back_to(row)
        if run.kind != kind:
            messages.warning(
                request,
                "It came to own fields of another integration, so this is a preview. Look at its "
                "plan; the next Run now writes.",
            )
        if run.kind == SyncRun.Kind.SYNC and misses_failures(row):
            link = reverse("admin:integrations_installation_changelist")
            messages.warning(
                request,
                format_html(
                    "Nobody is told by mail if a run fails, so failures may be missed. Name who is "
                    'told, here or under <a href="{}">Limits and notices</a>.',
                    link,
                ),
            )
        word = "preview" if run.kind == SyncRun.Kind.PREVIEW else "run"
        messages.success(request, f"The {word} is queued and begins within seconds.")
        return redirect("admin:integrations_syncrun_change", run.pk)

    def _row(self, request: HttpRequest, object_id: str, permission: str) -> Integration:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        row: Integration | None = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row


@transaction.atomic
def _add_field(integration: Integration, given: dict[str, Any]) -> str:
    """Make the field and the mapping, or neither. Raises FieldInvalid."""
    field = make_field(label=given["label"], type=given["type"], unique=given["unique"])
    FieldMapping.objects.create(
        integration=integration,
        source=given["source"],
        target=field.key,
        position=integration.mappings.count(),
    )
    services.look_again(integration)
    return field.label


def _back_to(row: Integration, anchor: str = "") -> HttpResponse:
    url = reverse("admin:integrations_integration_change", args=(row.pk,))
    return redirect(f"{url}#{anchor}" if anchor else url)


def _count_rules(rules: Any) -> int:
    if isinstance(rules, list):
        return sum(_count_rules(part) for part in rules)
    if isinstance(rules, dict):
        return 1 if "field" in rules else sum(_count_rules(part) for part in rules.values())
    return 0
