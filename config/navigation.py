"""The side bar and the command palette: each entry only for whom may open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.dataclasses import SearchResult

from integrations.models import Credentials, Integration
from integrations.overview import count_open_issues
from people.models import Person

_MOST_ON_BADGE = 99
_FOUND_PER_MODEL = 10
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
        Entry("Integrations", "sync_alt", "integrations.Integration"),
        Entry("Runs", "play_circle", "integrations.SyncRun"),
        Entry("Issues", "report", "integrations.RecordIssue"),
    ),
    "Access": (
        Entry("Users", "person", "auth.User"),
        Entry("Groups", "groups", "auth.Group"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Give the sections that this user may open; at most one query, for the badge of issues."""
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


def _item(request: HttpRequest, entry: Entry) -> dict[str, Any] | None:
    model = apps.get_model(entry.model)
    if not admin.site.is_registered(model):
        return None
    if not admin.site.get_model_admin(model).has_module_permission(request):
        return None
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return None
    options = model._meta
    link = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    title = entry.title
    if entry.within:
        title = format_html('<span class="rc-nav-path">{} ›</span> {}', entry.within, entry.title)
    item: dict[str, Any] = {
        "title": title,
        "icon": entry.icon,
        "link": link,
        "active": request.path.startswith(link),
    }
    if entry.model == "integrations.RecordIssue":
        count = count_open_issues(most=_MOST_ON_BADGE + 1)
        if count:
            item["badge"] = str(count) if count <= _MOST_ON_BADGE else f"{_MOST_ON_BADGE}+"
            item["badge_variant"] = "warning"
    return item


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Find integrations, credentials and people by the beginning of their name. Three queries."""
    if "\x00" in term or len(term) > _LONGEST_SEARCH:
        return []
    wanted = (
        (Integration, "integrations.view_integration", "name__istartswith", "Integration"),
        (Credentials, "integrations.view_credentials", "name__istartswith", "Credentials"),
        (Person, "people.view_person", "email_key__startswith", "Person"),
    )
    found: list[SearchResult] = []
    for model, permission, lookup, word in wanted:
        if not (request.user.has_perm(permission) and admin.site.is_registered(model)):
            continue
        options = model._meta
        rows = model.objects.filter(**{lookup: term}).order_by("pk")[:_FOUND_PER_MODEL]
        found.extend(
            SearchResult(
                title=str(row),
                description=word,
                link=reverse(
                    f"admin:{options.app_label}_{options.model_name}_change", args=(row.pk,)
                ),
                icon="arrow_forward",
            )
            for row in rows
        )
    return found
