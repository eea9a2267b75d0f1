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
    RoleSummary,
    UserCounts,
    accounts_by_person,
    current_roles,
    user_counts,
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
        '<details class="rc-roles"><summary title="{}">{} <span class="rc-more">+{}</span>'
        "</summary><ul>{}</ul></details>",
        summary.text,
        summary.shown,
        summary.more,
        format_html_join("", "<li>{}</li>", ((role,) for role in summary.roles)),
    )


def fetch_roles(ids: Sequence[int]) -> Mapping[int, Any]:
    return {pk: show_roles(summary) for pk, summary in current_roles(ids).items()}


def fetch_counts(ids: Sequence[int]) -> Mapping[int, Any]:
    counts = user_counts(ids)
    return {
        pk: format_html(
            '<a class="text-link" href="{}">{}</a>',
            users_url(pk),
            counts.get(pk, UserCounts()).active,
        )
        for pk in ids
    }


def fetch_unmatched(ids: Sequence[int]) -> Mapping[int, Any]:
    return {
        pk: format_html(
            '<a class="text-link" href="{}&person=none">{}</a>', users_url(pk), row.unmatched
        )
        for pk, row in user_counts(ids).items()
        if row.unmatched
    }


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
    counts = accounts_by_person(ids)
    return {
        pk: format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse("admin:people_person_accounts", args=[pk]),
            count,
        )
        for pk, count in counts.items()
    }
