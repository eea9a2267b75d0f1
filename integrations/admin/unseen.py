"""What of plans and issues a reader may not see: fields that are hidden from them (M-36)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.http import HttpRequest

from integrations.models import RecordIssue
from people.admin_tools import per_request_cache
from people.visibility import hidden_by_object

_NOT_FOR_YOU = "Something about a field that you may not see. Ask an IT admin."


def unseen_fields(request: HttpRequest) -> Mapping[str, frozenset[str]]:
    """The keys that this user may not see, by object. At most one query per request."""
    return per_request_cache(request, "unseen fields", lambda: hidden_by_object(request.user))


def veil_issues(request: HttpRequest, issues: Iterable[RecordIssue]) -> None:
    """Put a sentence in place of reasons that may quote a hidden field; saves nothing."""
    unseen = {field for fields in unseen_fields(request).values() for field in fields}
    for issue in issues:
        if issue.field in unseen:
            issue.field, issue.reason, issue.detail = "", _NOT_FOR_YOU, ""
