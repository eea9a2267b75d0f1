"""Connect: from the page of credentials over the vendor's consent page and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from integrations.admin import reauth
from integrations.errors import ConsentFailed, IntegrationsError
from integrations.models import Credentials
from integrations.oauth import consent
from integrations.oauth.telling import ends_at
from integrations.registry import get_vendor

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

_CHANGE = "integrations.change_credentials"
_LONGEST = 4096
_SIGNED_OUT = (
    "You were signed out before the vendor's answer came, so nothing was changed. Sign in and "
    "press Connect again."
)
_View = Callable[..., HttpResponseBase]


class ConnectPages(_Base):
    """For the CredentialsAdmin: the button Connect, and the address that vendors send back to."""

    def connect_urls(self) -> list[URLPattern]:
        """The address of the answer stands before those with an id in them."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "oauth/callback/",
                self._after_sign_in(wrap(never_cache(require_GET(self.callback_view)))),
                name="integrations_credentials_oauth_callback",
            ),
            path(
                "<path:object_id>/connect/",
                wrap(never_cache(require_POST(self.connect_view))),
                name="integrations_credentials_connect",
            ),
        ]

    def _after_sign_in(self, view: _View) -> _View:
        """Whoever has to sign in first does so without the vendor's code in the address (S-06)."""

        def without_code(request: HttpRequest) -> HttpResponseBase:
            if self.admin_site.has_permission(request):
                return view(request)
            messages.warning(request, _SIGNED_OUT)
            return HttpResponseRedirect(_page_of(None))

        return without_code

    def connect_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show where the vendor asks for consent; without a consent page, get a token at once.

        The vendor's page is a link, not a redirect: forms of ours lead nowhere else (S-16).
        """
        if not request.user.has_perm(_CHANGE):
            raise PermissionDenied
        row: Credentials | None = self.get_object(request, unquote(object_id))
        if row is None or row.type != Credentials.Type.OAUTH2:
            raise Http404
        if not reauth.is_confirmed(request):
            return reauth.ask_before(request, _page_of(row.pk))
        try:
            if not consent.needs_consent(row):
                consent.connect_without_consent(row)
                messages.success(request, f'"{row}" got an access token. Test it now.')
                return HttpResponseRedirect(_page_of(row.pk))
            url = consent.begin(
                request.session,
                row,
                user_id=request.user.pk or 0,
                now=timezone.now(),
            )
        except IntegrationsError as problem:
            messages.error(request, problem.message)
            return HttpResponseRedirect(_page_of(row.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Connect {row}",
            "opts": self.model._meta,
            "original": row,
            "vendor": get_vendor(row.vendor),
            "consent_url": url,
            "consent_host": urlsplit(url).netloc,
        }
        return TemplateResponse(request, "admin/integrations/credentials/connect.html", context)

    def callback_view(self, request: HttpRequest) -> HttpResponse:
        """Take the vendor's answer, once; the page that follows has it not in its address."""
        if not request.user.has_perm(_CHANGE):
            raise PermissionDenied
        answer = {name: str(value)[:_LONGEST] for name, value in request.GET.items()}
        try:
            row = consent.finish(
                request.session,
                answer,
                user_id=request.user.pk or 0,
                by=request.user.get_username(),
                now=timezone.now(),
            )
        except ConsentFailed as problem:
            messages.error(request, problem.message)
            return HttpResponseRedirect(_page_of(problem.credentials_id))
        except IntegrationsError as problem:
            messages.error(request, f"Not connected. {problem.message}")
            return HttpResponseRedirect(_page_of(None))
        with transaction.atomic():
            self.log_change(request, row, "Connected on the vendor's consent page.")
        messages.success(
            request,
            f'"{row}" is connected, and renews its access by itself. Press Test to see that it '
            "works.",
        )
        return HttpResponseRedirect(_page_of(row.pk))


def connection_of(row: Credentials) -> dict[str, Any]:
    """What the page shows of a connection by OAuth; nothing for other types. No query."""
    if row.type != Credentials.Type.OAUTH2:
        return {}
    return {
        "needs_consent": consent.needs_consent(row),
        "redirect_uri": consent.redirect_uri(),
        "connected": row.refreshed_at is not None or "refresh_token" in row.hints,
        "reconnect_since": row.reconnect_since,
        "refreshed_at": row.refreshed_at,
        "token_expires_at": row.token_expires_at,
        "ends_at": ends_at(row),
    }


def _page_of(credentials_id: int | None) -> str:
    if credentials_id is None:
        return reverse("admin:integrations_credentials_changelist")
    return reverse("admin:integrations_credentials_change", args=(credentials_id,))
