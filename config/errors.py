"""The page for what nothing caught: 503 when the database is the reason, else 500."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

_TRY_AGAIN_AFTER = "30"  # seconds


def server_error(_request: HttpRequest) -> HttpResponse:
    """A friendly page without traceback. No query: the database may be what is broken."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        answer = HttpResponse(render_to_string("503.html"), status=503)
        answer["Retry-After"] = _TRY_AGAIN_AFTER
        return answer
    return HttpResponse(render_to_string("500.html"), status=500)
