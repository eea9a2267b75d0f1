"""Asking for the password again before secrets are changed (S-17)."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget

CONFIRMED_AT = "password_confirmed_at"
LASTS_SECONDS = 5 * 60


@receiver(user_logged_in)
def remember_sign_in(
    sender: Any,
    request: HttpRequest,
    user: AbstractBaseUser,
    **_more: Any,
) -> None:
    """Signing in is the first confirmation."""
    if hasattr(request, "session"):
        request.session[CONFIRMED_AT] = time.time()


def is_confirmed(request: HttpRequest, *, now: float | None = None) -> bool:
    """Say whether the password was given within the last five minutes. `now` is seconds."""
    at = request.session.get(CONFIRMED_AT)
    age = (time.time() if now is None else now) - at if isinstance(at, int | float) else None
    return age is not None and 0 <= age <= LASTS_SECONDS


def remember(request: HttpRequest) -> None:
    """Note that the password was given just now."""
    request.session[CONFIRMED_AT] = time.time()


def ask(request: HttpRequest) -> HttpResponse:
    """Lead to the page that asks for the password and comes back here."""
    query = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('admin:confirm_password')}?{query}")


def ask_before(request: HttpRequest, page: str) -> HttpResponse:
    """Lead to the page that asks for the password, and then to this one: a button is there."""
    messages.info(request, "Give your password first, then press the button again.")
    return HttpResponseRedirect(f"{reverse('admin:confirm_password')}?{urlencode({'next': page})}")


class PasswordForm(forms.Form):
    """Only the password; whose it is, the session knows."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "current-password", "autofocus": True}
        ),
    )

    def __init__(self, *args: Any, request: HttpRequest, **named: Any) -> None:
        super().__init__(*args, **named)
        self._request = request

    def clean_password(self) -> str:
        """Check it as a sign-in, so that guessing is slowed down as it is there."""
        password: str = self.cleaned_data["password"]
        user = authenticate(
            self._request, username=self._request.user.get_username(), password=password
        )
        if user is None or user.pk != self._request.user.pk:
            raise forms.ValidationError("This is not your password.")
        return password


@sensitive_post_parameters("password")
def confirm_password(request: HttpRequest) -> HttpResponse:
    """Ask for the password, then go on to `next`. At most the queries of a sign-in."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        target = reverse("admin:integrations_credentials_changelist")
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        remember(request)
        return HttpResponseRedirect(target)
    context = {
        **admin.site.each_context(request),
        "title": "Confirm that it is you",
        "form": form,
        "next": target,
    }
    return TemplateResponse(request, "admin/confirm_password.html", context)
