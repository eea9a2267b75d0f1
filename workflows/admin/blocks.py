"""The pages of single blocks: a preset is chosen first, then everything that the block says."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from workflows.admin.block_place import Here, here_of
from workflows.admin.pages import CHANGE, VIEW, WorkflowPage, add_block_url, back_to, block_url
from workflows.editing import save_definition
from workflows.errors import NotNow, WorkflowInvalid
from workflows.forms.api import TABS, ApiForm
from workflows.forms.blocks import BlockForm, make_form
from workflows.forms.presets import OWN_REQUEST, does, needs, offers
from workflows.kinds import find_kind
from workflows.models import Workflow

_RESET = "reset"
_LONGEST = 120


class BlockPages(WorkflowPage):
    """For the WorkflowAdmin: `blocks/add/<kind>/` and `blocks/<key>/` under a workflow."""

    def block_urls(self) -> list[URLPattern]:
        """The address of a new block first: `add` is a key, too."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/blocks/add/<str:kind>/",
                wrap(self.add_block_view),
                name="workflows_workflow_block_add",
            ),
            path(
                "<path:object_id>/blocks/<path:key>/",
                wrap(self.block_view),
                name="workflows_workflow_block",
            ),
        ]

    def add_block_view(self, request: HttpRequest, object_id: str, kind: str) -> HttpResponse:
        """Choose a preset where the kind has one; then fill in a new block."""
        row = self.find_row(request, object_id, CHANGE)
        found = find_kind(kind)
        if found is None or row.object not in found.objects:
            raise Http404
        preset = _preset_asked(request)
        here = here_of(row, found, user=request.user, preset=preset)
        if preset == OWN_REQUEST and not here.offers_own:
            raise PermissionDenied
        if found.calls and not preset:
            return self._choose(request, here, add_block_url(row, kind))
        return self._form_view(request, here)

    def block_view(self, request: HttpRequest, object_id: str, key: str) -> HttpResponse:
        """Show and save one block; `?choose=1` offers other presets, `?preset=` takes one."""
        row = self.find_row(request, object_id, VIEW)
        writes = self.has_change_permission(request, row)
        if request.method == "POST" and not writes:
            raise PermissionDenied
        here = here_of(
            row, None, key=key, user=request.user, preset=_preset_asked(request), writes=writes
        )
        if _preset_asked(request) == OWN_REQUEST and here.saved_preset and not here.offers_own:
            raise PermissionDenied
        if here.kind.calls and writes and "choose" in request.GET:
            return self._choose(request, here, block_url(row, key))
        return self._form_view(request, here)

    # Choosing ------------------------------------------------------------------------------------

    def _choose(self, request: HttpRequest, here: Here, base: str) -> HttpResponse:
        wanted = request.GET.get("q", "")[:_LONGEST]
        found = offers(here.kind, here.place.facts, wanted)
        context = {
            **self.page_context(request, here.row, f"{here.kind.label}: choose what it calls"),
            "kind": here.kind,
            "wanted": wanted,
            "offers": [(one, needs(one.preset)) for one in found],
            "base": base,
            "is_new": here.place.is_new,
            "own": OWN_REQUEST if here.offers_own else "",
            "prerequisite": prerequisite(here),
        }
        return TemplateResponse(request, "admin/workflows/block/choose.html", context)

    # The form ------------------------------------------------------------------------------------

    def _form_view(self, request: HttpRequest, here: Here) -> HttpResponse:
        if request.method != "POST":
            return self._show(request, here, make_form(here.place))
        reset = request.POST.get(_RESET, "")
        if reset in TABS and here.kind.key == "api":
            return self._show(request, here, _with_preset_values(here, request.POST, reset))
        form = make_form(here.place, request.POST)
        if form.is_valid() and (saved := self._save(request, here, form)):
            return saved
        return self._show(request, here, form)

    def _show(self, request: HttpRequest, here: Here, form: BlockForm) -> HttpResponse:
        place = here.place
        title = "New block" if place.is_new else place.block.label
        context = {
            **self.page_context(request, here.row, title),
            "form": form,
            "place": place,
            "kind": here.kind,
            "preset": place.preset,
            "does": does(place.preset) if place.preset else "",
            "needs": needs(place.preset) if place.preset else "",
            "docs": (place.preset.docs or here.vendor_docs) if place.preset else "",
            "gone": place.preset_id if place.preset_id and place.preset is None else "",
            "base": request.POST.get("base") or here.number,
            "unplaced": form.unplaced,
            "found": sum(not one.warning for one in place.mistakes),
            "noted": sum(one.warning for one in place.mistakes),
            "choose": here.choose_url,
            "may_add_field": place.writes and request.user.has_perm("people.add_customfield"),
            "prerequisite": prerequisite(here) if place.is_new else "",
            "saved_preset": here.saved_preset,
        }
        return TemplateResponse(request, "admin/workflows/block/block.html", context)

    def _save(self, request: HttpRequest, here: Here, form: BlockForm) -> HttpResponse | None:
        """Save the workflow with this block. None where it was refused; then `form` says why."""
        definition, row = form.definition(), here.row
        user: Any = request.user
        base = request.POST.get("base", "")
        number = (
            int(base) if base.isascii() and base.isdigit() and len(base) < len("9999999") else 0
        )
        try:
            version = save_definition(
                row, definition, by=user, by_name=user.get_username(), base=number
            )
        except WorkflowInvalid as problem:
            form.refuse(problem.mistakes)
        except NotNow as problem:
            form.add_error(None, problem.message)
        else:
            return self._after(request, row, form, version.number, changed=number != version.number)
        return None

    def _after(
        self, request: HttpRequest, row: Workflow, form: BlockForm, number: int, *, changed: bool
    ) -> HttpResponse:
        part = form.part()
        if changed:
            self.log_change(request, row, f"Saved version {number}: {part.label}.")
            messages.success(
                request, f'The block "{part.label}" is saved. {_what_runs(row, number)}'
            )
        else:
            messages.info(request, "Nothing was changed, so nothing was saved.")
        if "stay" in request.POST:
            return redirect(block_url(row, part.key))
        return back_to(row)


def prerequisite(here: Here) -> str:
    """What has to be done before a workflow on SaaS users has anybody to work on (C-23)."""
    facts = here.place.facts
    if facts.object != "saas_user" or facts.application_has_users:
        return ""
    return (
        f"{facts.application} has no SaaS users yet: run the user integration with User plus SaaS "
        "User first."
    )


def _preset_asked(request: HttpRequest) -> str:
    return request.GET.get("preset", "")[:_LONGEST]


def _what_runs(row: Workflow, number: int) -> str:
    if row.active_version is None:
        return "Nothing runs before the workflow is activated."
    return (
        f"Version {row.active_version.number} stays the one that runs until you activate version "
        f"{number}."
    )


def _with_preset_values(here: Here, sent: QueryDict, tab: str) -> BlockForm:
    """The form as it was sent, with one tab as the preset has it; nothing is saved yet."""
    form = make_form(here.place)
    if not isinstance(form, ApiForm) or here.place.preset is None:
        return make_form(here.place, sent)
    data = sent.copy()
    for part in TABS[tab]:
        start = f"request_{part}"
        for name in [one for one in data if one == start or one.startswith(f"{start}-")]:
            del data[name]
    for name, value in form.sent_for(tab).items():
        data[name] = value
    return make_form(here.place, data)
