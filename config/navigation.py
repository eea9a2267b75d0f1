"""The side bar and the command palette: each entry only for whom may open it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.dataclasses import SearchResult

from integrations.models import Credentials, Integration
from integrations.overview import count_held_removals, count_open_issues, count_open_operations
from people.models import Person
from workflows.admin.shown import shown_under
from workflows.models import Workflow

_MOST_ON_BADGE = 99
# What waits for a person, by the list that shows it.
_BADGES: dict[str, Callable[..., int]] = {
    "integrations.RecordIssue": count_open_issues,
    "integrations.SyncRun": count_held_removals,
    "integrations.Operation": count_open_operations,
}
_FOUND_PER_MODEL = 10
_MOST_FOUND = 100
_LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Entry:
    """A page of the side bar; `within` is the submenu that the product's documents name."""

    title: str
    icon: str
    model: str
    within: str = ""


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "People": (
        Entry("People", "group", "people.Person"),
        Entry("Departments", "account_tree", "people.Department"),
        Entry("People roles", "badge", "people.PersonRole"),
        Entry("People fields", "text_fields", "people.CustomField"),
        Entry("History", "history", "people.Event"),
    ),
    "Software": (Entry("SaaS", "apps", "saas.Application"),),
    "Configuration": (
        Entry("Credentials", "key", "integrations.Credentials", within="Security"),
        Entry("Global Settings", "tune", "integrations.GlobalVariable", within="General"),
        Entry("Limits and notices", "rule", "integrations.Installation", within="Global Settings"),
        Entry("Integrations", "sync_alt", "integrations.Integration"),
        Entry("Workflows", "conversion_path", "workflows.Workflow"),
        Entry("Workflow runs", "route", "workflows.WorkflowRun"),
        Entry("Approvals", "approval", "workflows.RunItem"),
        Entry("Runs", "play_circle", "integrations.SyncRun"),
        Entry("Issues", "report", "integrations.RecordIssue"),
        Entry("Operations", "swap_horiz", "integrations.Operation"),
        Entry("Notifications", "mail", "integrations.Notification"),
    ),
    "Access": (
        Entry("Users", "person", "auth.User"),
        Entry("Groups", "groups", "auth.Group"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Give the sections that this user may open; at most three queries, for the badges."""
    index = reverse("admin:index")
    overview = {
        "title": "Dashboard",
        "icon": "dashboard",
        "link": index,
        "active": request.path == index,
    }
    sections: list[dict[str, Any]] = [{"title": "Overview", "items": [overview]}]
    for title, entries in SECTIONS.items():
        items = [item for entry in entries if (item := _item(request, entry))]
        if items:
            sections.append({"title": title, "separator": True, "items": items})
    return sections


def _link(request: HttpRequest, entry: Entry) -> str | None:
    """The address of the list, for who may open it. No query."""
    model = apps.get_model(entry.model)
    if not admin.site.is_registered(model):
        return None
    model_admin = admin.site.get_model_admin(model)
    if not (
        model_admin.has_module_permission(request) and model_admin.has_view_permission(request)
    ):
        return None
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_changelist")


def _none_waits(*, most: int) -> int:
    return 0


def _item(request: HttpRequest, entry: Entry) -> dict[str, Any] | None:
    link = _link(request, entry)
    if link is None:
        return None
    title = entry.title
    if entry.within:
        title = format_html('<span class="rc-nav-path">{} ›</span> {}', entry.within, entry.title)
    under = shown_under(request)
    item: dict[str, Any] = {
        "title": title,
        "icon": entry.icon,
        "link": link,
        "active": entry.model == under if under else request.path.startswith(link),
    }
    if count := _BADGES.get(entry.model, _none_waits)(most=_MOST_ON_BADGE + 1):
        item["badge"] = str(count) if count <= _MOST_ON_BADGE else f"{_MOST_ON_BADGE}+"
        item["badge_variant"] = "warning"
    return item


def search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Answer the palette: pages, then records by the beginning of their name. At most four queries.

    One page of at most 100 results; nothing is kept of what was typed or found.
    """
    term = request.GET.get("s", "").strip().lower()
    if (
        not term
        or "\x00" in term
        or len(term) > _LONGEST_SEARCH
        or request.GET.get("page", "1") != "1"
    ):
        return HttpResponse()
    began = time.perf_counter()
    found = [*_pages(request, term), *_records(request, term)][:_MOST_FOUND]
    paginator = Paginator(found, _MOST_FOUND)
    wanted = "command" if "extended" in request.GET else "search"
    context = {
        "page_obj": paginator,
        "results": paginator.page(1),
        "page_counter": 0,
        "execution_time": time.perf_counter() - began,
        "command_show_history": False,
        **(extra_context or {}),
    }
    template = f"unfold/helpers/{wanted}_results.html"
    return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})


def _pages(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    """Lists whose name, or whose section's name, holds the term."""
    for section, entries in SECTIONS.items():
        for entry in entries:
            title = f"{entry.within} {entry.title}".strip()
            link = _link(request, entry)
            if link and (term in title.lower() or term in section.lower()):
                yield SearchResult(
                    title=entry.title, description=section, link=link, icon=entry.icon
                )


def _records(request: HttpRequest, term: str) -> Iterator[SearchResult]:
    """Records whose name begins with the term. One query per kind that the user may see."""
    wanted: tuple[tuple[Any, str, str, str], ...] = (
        (Integration, "integrations.view_integration", "name__istartswith", "Integration"),
        (Workflow, "workflows.view_workflow", "name__istartswith", "Workflow"),
        (Credentials, "integrations.view_credentials", "name__istartswith", "Credentials"),
        (Person, "people.view_person", "email_key__startswith", "Person"),
    )
    for model, permission, lookup, word in wanted:
        if not (request.user.has_perm(permission) and admin.site.is_registered(model)):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        for row in model.objects.filter(**{lookup: term}).order_by("pk")[:_FOUND_PER_MODEL]:
            yield SearchResult(
                title=str(row),
                description=word,
                link=reverse(name, args=(row.pk,)),
                icon="arrow_forward",
            )
