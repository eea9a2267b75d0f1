"""How long somebody stays signed in: 30 minutes without a request, 8 hours in all (S-17)."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

BEGAN_AT = "session_began_at"
SEEN_AT = "session_seen_at"
_WRITE_EVERY = 60  # seconds; a write for each request would make every page wait for the database


class SessionLimits:
    """Ends a session that is too old, and moves its idle limit on at most once a minute."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Who is signed in is asked of the session only where there is a cookie.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            keep_or_end(request, now=time.time())
        return self.get_response(request)


def keep_or_end(request: HttpRequest, *, now: float) -> None:
    """Sign the user out when the session has lasted its time (`now` in seconds since 1970)."""
    began = request.session.setdefault(BEGAN_AT, now)
    if now - began >= settings.SESSION_ABSOLUTE_AGE:
        logout(request)
    elif now - request.session.get(SEEN_AT, 0) >= _WRITE_EVERY:
        request.session[SEEN_AT] = now  # saving sets the session's expiry anew
