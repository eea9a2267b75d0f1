"""Configuration > Notifications: the mails that were queued, what became of them, and why."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations.admin.filters import IntegrationFilter
from integrations.models import Notification
from integrations.outbox import send_again
from integrations.show import moment, since, state_badge
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin

_AGAIN = frozenset({Notification.State.UNKNOWN, Notification.State.NOBODY})
_ADVICE = {
    Notification.State.NOBODY: "Name who is told, on the integration's page or under Limits and "
    "notices; then press Send again.",
    Notification.State.SENT: "The mail server took it.",
    Notification.State.SENDING: "A worker hands it to the mail server now.",
    Notification.State.QUEUED: "A worker sends it within seconds.",
}


@admin.register(Notification)
class NotificationAdmin(ReadOnlyMixin, SafeQueryMixin, ModelAdmin):
    """Mails are made by runs and sent by workers; a person can only send one again."""

    list_display = ("subject", "state_shown", "told", "tries", "standing", "made")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        IntegrationFilter,
    )
    search_fields = ("subject",)
    search_help_text = "Search in the subject"
    ordering = ("-id",)
    sortable_by = ("made",)
    list_per_page = 50
    list_before_template = "admin/integrations/notification/list_before.html"
    change_form_template = "admin/integrations/notification/change_form.html"
    actions = ("send_again_action",)

    # The list --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Without the text of the mails, which no list shows."""
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows.defer("body")

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: Notification) -> SafeString:
        return state_badge(row)

    @admin.display(description="Told")
    def told(self, row: Notification) -> str:
        return ", ".join(str(one) for one in row.recipients) or "Nobody"

    @admin.display(description="Tries", ordering="attempts")
    def tries(self, row: Notification) -> int:
        return row.attempts

    @admin.display(description="How it stands")
    def standing(self, row: Notification) -> str:
        return standing_of(row)

    @admin.display(description="Queued", ordering="id")
    def made(self, row: Notification) -> SafeString:
        shown = f"{moment(row.created_at)} ({since(row.created_at)})"
        return format_html('<span title="{}">{}</span>', moment(row.created_at), shown)

    @admin.action(description="Send again", permissions=["send_again"])
    def send_again_action(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Queue those of the chosen mails that perhaps were sent, or had nobody to go to."""
        rows = list(chosen)
        queued = send_again([row.pk for row in rows])
        for row in rows:
            if row.state in _AGAIN:
                self.log_change(request, row, "Asked to send it again.")
        _say(request, queued, len(rows))

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        """Who may say whom failures are told may also send the mail."""
        return request.user.has_perm("integrations.change_installation")

    # One mail ----------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Notification | None = None) -> Any:
        """The text names people, so only those see it who may say to whom it goes."""
        fields = [
            "state_shown", "standing", "told", "kind", "subject", "integration", "run",
            "made", "tries", "tried", "sent",
        ]  # fmt: skip
        return [*fields, "text"] if self.has_send_again_permission(request) else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Notification | None = None) -> Any:
        """All of them."""
        return self.get_fields(request, obj)

    @admin.display(description="Next try")
    def tried(self, row: Notification) -> str:
        return moment(row.next_try_at) if row.state == Notification.State.QUEUED else "–"

    @admin.display(description="Sent")
    def sent(self, row: Notification) -> str:
        return moment(row.sent_at)

    @admin.display(description="Text")
    def text(self, row: Notification) -> SafeString:
        lines = format_html_join("", "{}<br>", ((line,) for line in row.body.splitlines()))
        return format_html('<div class="rc-text rc-break">{}</div>', lines)

    def get_urls(self) -> list[URLPattern]:
        """Sending again has an address of its own, which takes POST only."""
        view = self.admin_site.admin_view(require_POST(self.send_again_view))
        name = "integrations_notification_send_again"
        return [path("<path:object_id>/send-again/", view, name=name), *super().get_urls()]

    def send_again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button on the page of one mail."""
        if not self.has_send_again_permission(request):
            raise PermissionDenied
        row: Notification | None = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        queued = send_again([row.pk])
        if queued:
            self.log_change(request, row, "Asked to send it again.")
        _say(request, queued, 1)
        return redirect("admin:integrations_notification_change", row.pk)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the button where it can do something."""
        row: Notification | None = kwargs.get("obj")
        can = row is not None and row.state in _AGAIN
        context["may_send_again"] = can and self.has_send_again_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[no-any-return]


def standing_of(row: Notification) -> str:
    """What became of a mail, since when it waits and what keeps it, in words. No query."""
    if row.state == Notification.State.QUEUED and row.error:
        return f"Waits since {moment(row.created_at)}. {row.error}"
    advice = _ADVICE.get(Notification.State(row.state), "")
    return f"{advice} {row.error}".strip()


def _say(request: HttpRequest, queued: int, chosen: int) -> None:
    if queued:
        messages.success(request, f"{queued} of {chosen} wait to be sent again.")
    if queued < chosen:
        messages.warning(
            request,
            f"{chosen - queued} of {chosen} are not sent again: only what perhaps was sent, or had "
            "nobody to go to and now has somebody, can be.",
        )
