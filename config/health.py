"""For whoever watches the process: is it alive, and can it work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.broker import find_broker_problem
from integrations.presence import find_tick, find_workers


class Health:
    """Answers `/healthz` and `/readyz` before anything else looks at the request.

    Whoever probes names the host as it likes, follows no redirect to https and has no session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return HttpResponse("ok\n", content_type="text/plain")
        if request.path == "/readyz":
            return readiness()
        return self.get_response(request)


def readiness() -> JsonResponse:
    """200 or 503 by the database; broker, tick and workers are told besides. Two queries.

    Without broker, tick or workers pages work and nothing that was asked for is lost. Asking the
    broker takes a second at most.
    """
    try:
        tick_seconds, note = find_tick()
        workers = find_workers()
    except Error:
        return JsonResponse({"database": "down"}, status=503)
    tick: dict[str, Any] = {
        "seen_seconds_ago": None if tick_seconds is None else round(tick_seconds, 1)
    }
    if note:
        tick["note"] = note
    return JsonResponse(
        {
            "database": "up",
            "broker": "unreachable" if find_broker_problem() else "reachable",
            "tick": tick,
            "workers": {"number": workers.number, "slots": workers.slots, "busy": workers.busy},
        }
    )
