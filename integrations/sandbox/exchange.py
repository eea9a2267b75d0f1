"""One request on its way through faults, the vendor's side and the log."""

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from integrations.sandbox.distort import distorted, replacement
from integrations.sandbox.faults import REPLACING, SILENT, Fault, FaultBook
from integrations.sandbox.ledger import KEPT_BODY, RequestLog, Seen, describe_authorization
from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.vendor import VendorSide

ELSEWHERE = "/__elsewhere"
PAUSED = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer leaves. Without an answer the connection is reset or held open.

    `hold` and `drip` are seconds: to stay silent, to take over sending. `cut` announces the
    whole body and closes in the middle of it.
    """

    answer: Answer | None
    reset: bool = False
    hold: float | None = None
    drip: float | None = None
    cut: bool = False


class World(Protocol):
    """What an exchange needs of the sandbox."""

    url: str
    state: Mapping[str, VendorSide]
    faults: FaultBook
    log: RequestLog
    stopping: threading.Event
    closed_until: dict[str, float]

    def now(self) -> datetime:
        """The sandbox's clock."""


def exchange(world: World, request: Request, target: str) -> Delivery:
    """Answer one request and write it into the log. `request.path` still names the vendor."""
    began = time.monotonic()
    vendor, inner = _split(request)
    arrived = world.now()
    early = arrived.timestamp() < world.closed_until.get(vendor, 0.0)
    notes: list[str] = []
    if vendor in world.state:
        delivery = _through(world, world.state[vendor], inner, target, notes)
    elif request.path.startswith(ELSEWHERE):
        delivery = Delivery(Answer.of({"elsewhere": True}))
    else:
        delivery = Delivery(Answer.page(404, "No such vendor in this sandbox"))
    answer = delivery.answer
    if answer is not None:
        _note_pause(world, vendor, answer)
    world.log.add(
        Seen(
            t=arrived.timestamp(),
            vendor=vendor,
            method=request.method,
            path=inner.path,
            query=world.log.masked(target.partition("?")[2]),
            status=0 if answer is None else answer.status,
            auth=describe_authorization(request.header("authorization")),
            accept=request.header("accept"),
            content_type=request.header("content-type"),
            user_agent=request.header("user-agent"),
            body=world.log.masked(request.body[:KEPT_BODY].decode("utf-8", "replace")),
            bytes=0 if answer is None else len(answer.body),
            ms=round((time.monotonic() - began) * 1000, 3),
            early=early,
            note="; ".join(notes),
        )
    )
    return delivery


def _split(request: Request) -> tuple[str, Request]:
    """The vendor's name, the first part of the path, and the request below it."""
    if request.path.startswith(ELSEWHERE):
        return "elsewhere", request
    vendor, _, rest = request.path.removeprefix("/").partition("/")
    return vendor, replace(request, path="/" + rest)


def _through(
    world: World, side: VendorSide, request: Request, target: str, notes: list[str]
) -> Delivery:
    called = side.called(request)
    faults = world.faults.take(side.name, request, f"{target}#{called}" if called else target)
    notes.extend(fault.kind for fault in faults)
    for fault in faults:
        if fault.kind == "delay":
            world.stopping.wait(fault.seconds)
    standing_in = next((one for one in faults if one.kind in REPLACING | SILENT), None)
    if standing_in is not None and not (_keeps_envelope(standing_in)):
        if standing_in.commits():
            side.answer(request)
        return _stand_in(world, standing_in, request)
    answer = side.answer(request)
    for fault in faults:
        answer, note = distorted(
            fault,
            answer,
            page=side.page_of(request),
            ask_page=lambda page: side.look(side.with_page(request, page)),
        )
        notes.extend([note] if note else [])
    drip = next((fault.seconds for fault in faults if fault.kind == "slow_drip"), None)
    return Delivery(answer, drip=drip, cut=any(fault.kind == "cut" for fault in faults))


def _keeps_envelope(fault: Fault) -> bool:
    """An empty listing in the vendor's own envelope is made of the real answer."""
    return fault.kind == "empty" and fault.form == "envelope"


def _stand_in(world: World, fault: Fault, request: Request) -> Delivery:
    if fault.kind == "reset":
        return Delivery(None, reset=True)
    if fault.kind == "blackhole":
        return Delivery(None, hold=fault.seconds)
    answer = replacement(fault, world.now())
    if fault.kind == "redirect" and not fault.location:
        answer = answer.with_headers(Location=f"{world.url}{ELSEWHERE}{request.path}")
    return Delivery(answer)


def _note_pause(world: World, vendor: str, answer: Answer) -> None:
    """Remember until when the vendor asked for silence."""
    value = answer.headers.get("Retry-After")
    if answer.status not in PAUSED or value is None:
        return
    with contextlib.suppress(ValueError):
        world.closed_until[vendor] = world.now().timestamp() + float(value)
        return
    with contextlib.suppress(ValueError):
        world.closed_until[vendor] = parsedate_to_datetime(value).astimezone(UTC).timestamp()
