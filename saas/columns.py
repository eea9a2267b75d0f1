"""What the software pages show of accounts: roles, counts, a person's accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from people.admin.common import DASH, moment
from people.models import Person
from saas.models import SaaSUser
from saas.queries import (
    MOST_COUNTED,
    RoleSummary,
    accounts_by_person,
    count_active_users,
    current_roles,
)

_MOST_ACCOUNTS = 200


def users_url(application_id: int) -> str:
    """The Users page of an application."""
    return f"{reverse('admin:saas_saasuser_changelist')}?application={application_id}"


def show_roles(summary: RoleSummary | None) -> SafeString | str:
    """The first roles, and behind them all that there are: opened by mouse or keyboard."""
    if summary is None or not summary.roles:
        return DASH
    if not summary.more:
        return summary.shown
    return format_html(
        '<details class="rec-roles"><summary title="{}">{} <span class="rec-more">+{}</span>'
        "</summary><ul>{}</ul></details>",
        summary.text,
        summary.shown,
        summary.more,
        format_html_join("", "<li>{}</li>", ((role,) for role in summary.roles)),
    )


def fetch_roles(ids: Sequence[int]) -> Mapping[int, Any]:
    """The roles of accounts as a cell. One query."""
    return {pk: show_roles(summary) for pk, summary in current_roles(ids).items()}


def fetch_counts(ids: Sequence[int]) -> Mapping[int, Any]:
    """How many active users each application has, as a link to them. One query."""
    counts = count_active_users(ids)
    return {pk: _count_link(users_url(pk), counts.get(pk, 0)) for pk in ids}


def fetch_unmatched(ids: Sequence[int]) -> Mapping[int, Any]:
    """How many of them belong to nobody known, where there are any. One query."""
    counts = count_active_users(ids, unmatched=True)
    return {
        pk: _count_link(f"{users_url(pk)}&person=none", counts[pk]) for pk in ids if counts.get(pk)
    }


def _count_link(url: str, count: int) -> SafeString:
    text = f"{count:,}" if count <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def accounts(request: HttpRequest, person: Person) -> dict[str, Any]:
    """A person's accounts with their roles of now. Two queries; the first 200."""
    rows = list(
        SaaSUser.objects.filter(person=person)
        .select_related("application")
        .order_by("application__name", "id")[: _MOST_ACCOUNTS + 1]
    )
    roles = current_roles(row.pk for row in rows)
    return {
        "accounts": [
            {
                "user": row,
                "roles": show_roles(roles.get(row.pk)),
                "activity": moment(row.last_activity),
            }
            for row in rows[:_MOST_ACCOUNTS]
        ],
        "more": len(rows) > _MOST_ACCOUNTS,
    }


def fetch_accounts(ids: Sequence[int]) -> Mapping[int, Any]:
    """How many accounts people have, as a link to them. One query."""
    counts = accounts_by_person(ids)
    return {
        pk: format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse("admin:people_person_accounts", args=[pk]),
            count,
        )
        for pk, count in counts.items()
    }
