"""Workflows on the pages of people and accounts, and in the actions of their lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from people.admin.common import Panel
from people.admin.persons import PersonAdmin
from people.models import Person
from saas.admin import SaaSUserAdmin
from saas.models import SaaSUser
from workflows.admin.shown import VIEW_ITEMS, block_label, standing
from workflows.admin.start_selected import start_permission, start_workflow
from workflows.admin.starting import url_for_record
from workflows.models import RunItem

_MOST_SHOWN = 20


def items_of(request: HttpRequest, object_: str, record_id: int) -> dict[str, Any]:
    """The newest items of a record. One query."""
    rows = RunItem.objects.filter(record_id=record_id, workflow__object=object_)
    rows = rows.select_related("workflow", "version").defer("context", "version__begin")
    found = list(rows.order_by("-pk")[: _MOST_SHOWN + 1])
    now = timezone.now()
    return {
        "workflow_items": [
            {"item": item, "where": block_label(item), "waits": standing(request, item, now)}
            for item in found[:_MOST_SHOWN]
        ],
        "more_items": len(found) > _MOST_SHOWN,
        "start_url": url_for_record(request, object_, record_id),
    }


def workflows_of_person(request: HttpRequest, person: Person) -> Mapping[str, Any]:
    """What workflows do and did with a person. One query."""
    return items_of(request, "person", person.pk)


def workflows_of_account(request: HttpRequest, account: SaaSUser) -> Mapping[str, Any]:
    """The same of an account, for who may read runs. At most one query."""
    if not request.user.has_perm(VIEW_ITEMS):
        return {}
    return {"shows_workflows": True, **items_of(request, "saas_user", account.pk)}


PersonAdmin.panels.insert(
    2,
    Panel(
        "workflows",
        "Workflows",
        VIEW_ITEMS,
        "admin/workflows/runitem/panel.html",
        workflows_of_person,
    ),
)
SaaSUserAdmin.page_parts.append(workflows_of_account)
for _admin in (PersonAdmin, SaaSUserAdmin):
    _admin.has_start_workflow_permission = start_permission
    _admin.actions = (*(_admin.actions or ()), start_workflow)
