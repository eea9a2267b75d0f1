"""Configuration > Workflows: the list, and the page on which a workflow is put together."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from integrations.admin.unseen import unseen_fields
from integrations.show import since, state_badge
from people.admin_tools import SafeQueryMixin
from workflows.admin.activation import ActivationPages
from workflows.admin.adding import AddPages
from workflows.admin.begin import WorkflowForm, check_about
from workflows.admin.blocks import BlockPages
from workflows.admin.listing import (
    put_runs,
    short_state,
    version_in_words,
    with_versions_and_runs,
)
from workflows.admin.pages import CHANGE, VIEW, add_block_url, back_to
from workflows.admin.passed_over import PassedOverPages
from workflows.admin.sheet import sheet_of, with_order, without
from workflows.admin.shown import read_number
from workflows.admin.starting import StartPages
from workflows.admin.versions import VersionPages
from workflows.compare import compare
from workflows.definition import Definition
from workflows.editing import (
    describe,
    is_replaced,
    latest_version,
    rename,
    save_definition,
)
from workflows.errors import NotNow, WorkflowInvalid
from workflows.facts import read_facts
from workflows.kinds import kinds
from workflows.models import Workflow, WorkflowVersion
from workflows.versions import read_definition

_LONGEST_SHOWN = 160


@admin.register(Workflow)
class WorkflowAdmin(
    SafeQueryMixin,
    AddPages,
    VersionPages,
    ActivationPages,
    BlockPages,
    StartPages,
    PassedOverPages,
    ModelAdmin,
):
    """A list, one page per workflow with Begin and the table of blocks, and what can be done."""

    list_display = ("name", "about", "state_shown", "last_run", "next_run", "description_shown")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("object", ChoicesDropdownFilter),
        ("application", RelatedDropdownFilter),
    )
    search_fields = ("name", "description", "application__name")
    search_help_text = "Search by name, description or application"
    ordering = ("name",)
    list_per_page = 50
    list_select_related = ("application", "active_version")
    list_before_template = "admin/workflows/workflow/list_before.html"
    actions = None

    # The list --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        """With the application, the version that runs and the one that is saved, in one query."""
        rows = super().get_queryset(request).select_related("application", "active_version")
        return with_versions_and_runs(rows)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Put the last run and the next due time on each row of the page. One query more."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        put_runs(rows, timezone.now())
        changes.result_list = rows
        return changes

    @admin.display(description="About", ordering="object")
    def about(self, row: Workflow) -> str:
        return f"SaaS users of {row.application}" if row.application else "People"

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: Any) -> SafeString:
        return format_html("{} {}", short_state(row), version_in_words(row, row.saved_number))

    @admin.display(description="Last run")
    def last_run(self, row: Any) -> SafeString | str:
        run = row.newest_run
        if run is None:
            return "Never"
        at = run.finished_at or run.started_at or run.queued_at
        return format_html("{} {}", state_badge(run), since(at))

    @admin.display(description="Next run")
    def next_run(self, row: Any) -> str:
        return row.coming or "–"

    @admin.display(description="Description")
    def description_shown(self, row: Workflow) -> str:
        text = " ".join(row.description.split())
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"

    # The page of one workflow ------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """One address for each thing to do; all that change something take POST only."""
        remove = path(
            "<path:object_id>/remove-block/",
            self.admin_site.admin_view(self.remove_block_view),
            name="workflows_workflow_remove_block",
        )
        # Blocks first: one may have a key such as `archive`.
        mine = [*self.block_urls(), *self.activation_urls(), *self.version_urls(), remove]
        starting = [*self.start_urls(), *self.passed_over_urls()]
        return [*mine, *starting, *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Workflow | None = None) -> bool:
        """Only a draft of which nothing ever ran is deleted; others are archived (S-20)."""
        allowed: bool = super().has_delete_permission(request, obj)
        if obj is None or not allowed:
            return allowed
        never = obj.state == Workflow.State.DRAFT and obj.active_version_id is None
        return never and not obj.runs.exists()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show and save. About twenty queries, however many blocks there are."""
        row = self.find_row(request, object_id, VIEW)
        writes = self.has_change_permission(request, row)
        version = latest_version(row)
        kept = read_definition(version)
        user: Any = request.user
        facts = read_facts(row, user=user, kept=kept)
        if request.method == "POST" and not writes:
            raise PermissionDenied
        form = WorkflowForm(
            request.POST if request.method == "POST" else None,
            workflow=row,
            kept=kept,
            base=version.number,
            facts=facts,
            hidden=frozenset().union(*unseen_fields(request).values()),
        )
        if form.is_bound and form.is_valid() and self._save_sheet(request, row, form):
            return self._after_saving(request, row, request.POST.get("do", ""))
        context = {
            **self.page_context(request, row, row.name),
            **sheet_of(request, row, version, kept, form, writes=writes),
            "may_delete": self.has_delete_permission(request, row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/workflows/workflow/change.html", context)

    def _save_sheet(self, request: HttpRequest, row: Workflow, form: WorkflowForm) -> bool:
        """Write what was typed, all or nothing; says whether it went well, else `form` does."""
        given, user = form.cleaned_data, request.user
        moved = with_order(form.definition(), request.POST.get("do", ""))
        try:
            check_about(row, given["about"])
            with transaction.atomic():
                told = []
                if given["name"].strip() != row.name:
                    rename(row, given["name"])
                    told.append("name")
                if given["description"].strip() != row.description:
                    describe(row, given["description"])
                    told.append("description")
                version = save_definition(
                    row,
                    moved,
                    by=user,  # type: ignore[arg-type]
                    by_name=user.get_username(),
                    base=given["base"],
                )
        except WorkflowInvalid as problem:
            form.put(problem.mistakes)
        except NotNow as problem:
            form.add_error(None, problem.message)
        else:
            self._tell_saved(request, row, form.kept, moved, version, told)
            return True
        return False

    def _tell_saved(
        self,
        request: HttpRequest,
        row: Workflow,
        kept: Definition,
        new: Definition,
        version: WorkflowVersion,
        told: list[str],
    ) -> None:
        lines = compare(kept, new)
        parts = list(dict.fromkeys([*told, *(line.block for line in lines)]))
        if not parts:
            if request.POST.get("do", "save") == "save":
                messages.info(request, "Nothing was changed, so nothing was saved.")
            return
        self.log_change(request, row, f"Saved version {version.number}: {', '.join(parts)}.")
        if not lines:
            messages.success(request, "Saved.")
        elif row.state == Workflow.State.DRAFT:
            messages.success(request, "Saved. Nothing runs before it is activated.")
        else:
            running = row.active_version.number if row.active_version else "no version"
            messages.success(
                request,
                f"Version {version.number} is saved; version {running} stays the one that runs "
                f"until you activate version {version.number}.",
            )

    def _after_saving(self, request: HttpRequest, row: Workflow, wanted: str) -> HttpResponse:
        """Go on to what the pressed button asks for."""
        what, _, name = wanted.partition(":")
        if what == "add" and name in kinds():
            return redirect(add_block_url(row, name))
        if what == "remove":
            page = redirect("admin:workflows_workflow_remove_block", row.pk)
            page["Location"] += f"?{urlencode({'key': name})}"
            return page
        return back_to(row)

    def remove_block_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then save the workflow without one block, unless somebody saved in between."""
        row = self.find_row(request, object_id, CHANGE)
        version = latest_version(row)
        kept = read_definition(version)
        block = kept.find(request.GET.get("key", ""))
        if block is None:
            raise Http404
        if request.method == "POST":
            user: Any = request.user
            try:
                made = save_definition(
                    row,
                    without(kept, block),
                    by=user,
                    by_name=user.get_username(),
                    base=read_number(request.POST.get("base")),
                )
            except (WorkflowInvalid, NotNow) as problem:
                messages.error(request, problem.message)
            else:
                self.log_change(request, row, f"Saved version {made.number}: no {block.label}.")
                messages.success(request, f'The block "{block.label}" was removed.')
            return back_to(row)
        context = {
            **self.page_context(request, row, f"Remove {block.label}"),
            "block": block,
            "base": version.number,
            "leading": [one.label for one in kept.paths_to(block.key)],
            "is_kept": not is_replaced(row, version),
        }
        return TemplateResponse(request, "admin/workflows/workflow/remove_block.html", context)
