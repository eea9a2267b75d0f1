"""The sandbox's own calls below `/__`: state, log, faults, reset."""

from collections.abc import Callable
from typing import Any, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from integrations.sandbox.faults import Fault, FaultBook
from integrations.sandbox.ledger import RequestLog
from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.vendor import RefusedError, StateChange, UnknownRecordError, VendorSide

FAULTS = TypeAdapter(list[Fault])


class Reset(BaseModel):
    """Another company, or the same one anew; the credentials stay."""

    model_config = ConfigDict(extra="forbid")

    people: int | None = Field(default=None, ge=0)
    seed: int | None = None


class Controlled(Protocol):
    """What the control calls need of the sandbox."""

    state: dict[str, VendorSide]
    faults: FaultBook
    log: RequestLog

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON types."""

    def describe(self) -> dict[str, Any]:
        """Addresses and credentials."""

    def reset(self, *, people: int | None = None, seed: int | None = None) -> None:
        """Make the company anew; forget faults and requests."""

    def change(self, change: StateChange) -> dict[str, list[str]]:
        """Change the world of one vendor, or settings of all."""


def control(sandbox: Controlled, request: Request) -> Answer:
    """Answer a control call; what is wrong with its body is a 400 that says so."""
    calls: dict[tuple[str, str], Callable[[Controlled, Request], Any]] = {
        ("GET", "/__vendors"): lambda box, _: box.describe(),
        ("GET", "/__state"): _state,
        ("POST", "/__state"): _change,
        ("GET", "/__log"): lambda box, _: box.log.as_json(),
        ("DELETE", "/__log"): lambda box, _: box.log.clear(),
        ("GET", "/__faults"): lambda box, _: {"faults": box.faults.as_json()},
        ("POST", "/__faults"): _arm,
        ("DELETE", "/__faults"): lambda box, _: box.faults.clear(),
        ("POST", "/__reset"): _reset,
    }
    call = calls.get((request.method, request.path))
    if call is None:
        known = ", ".join(f"{method} {path}" for method, path in calls)
        return Answer.of({"error": f"The sandbox answers {known}"}, status=404)
    try:
        return Answer.of(call(sandbox, request) or {"ok": True})
    except RefusedError as refused:
        return refused.answer
    except ValidationError as error:
        return Answer.of({"error": _sentences(error)}, status=400)
    except (UnknownRecordError, ValueError, TypeError, KeyError) as error:
        return Answer.of({"error": str(error)}, status=400)


def _state(sandbox: Controlled, request: Request) -> Any:
    vendor = request.parameter("vendor")
    if vendor is None:
        return sandbox.dump()
    if vendor not in sandbox.state:
        raise UnknownRecordError(f"The sandbox has no vendor {vendor!r}")
    return sandbox.state[vendor].dump()


def _change(sandbox: Controlled, request: Request) -> Any:
    return {"added": sandbox.change(StateChange.model_validate(_body(request)))}


def _arm(sandbox: Controlled, request: Request) -> Any:
    body = _body(request)
    faults = FAULTS.validate_python(body if isinstance(body, list) else [body])
    return {"numbers": sandbox.faults.arm(faults)}


def _reset(sandbox: Controlled, request: Request) -> Any:
    reset = Reset.model_validate(_body(request) if request.body else {})
    sandbox.reset(people=reset.people, seed=reset.seed)


def _body(request: Request) -> Any:
    try:
        return request.json()
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The body is no JSON: {error}") from error


def _sentences(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()
    )
