"""How a preset's call is told: as the run of one record, in JSON and in lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.commands import Exit
from integrations.manifest_presets import Preset
from integrations.models import Operation
from integrations.presets.answers import kept, masked
from integrations.presets.call import PresetCall
from integrations.presets.calling import Called
from integrations.presets.outcome import Kind
from integrations.presets.read import Reading, RoleReading
from integrations.printing import printable

State = Operation.State
_LONGEST = 4_000  # letters of an answer on a terminal
_EXITS = {"done": Exit.DONE, "partial": Exit.ISSUES, "failed": Exit.FAILED}


def exit_of_report(report: Mapping[str, Any]) -> Exit:
    """The exit code of one run as told; what is held or handed to a worker is 4."""
    return _EXITS.get(str(report["state"]), Exit.HELD)


def plan_report(
    call: PresetCall, preset: Preset, request: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What would be sent, as the run of one record that matched. Holds no secret."""
    row = {
        "action": call.preset_id,
        "object": call.record.kind,
        "key": call.record.label,
        "reason": preset.label,
        "changes": {},
        "request": request,
    }
    report = _report(call, state="done")
    return {**report, "warnings": _warnings(call), "plan": [row]}


def call_report(called: Called) -> dict[str, Any]:
    """What became of a call, as the run of one record. Holds no secret."""
    if called.held:
        held = {"why": called.held, "plan": None, "removals": 1}
        return {**_report(called.call, state="held"), "held": held}
    if called.operation is not None:
        return _of_operation(called.call, called.operation)
    assert called.reading is not None  # noqa: S101 - a call is one of the three
    return _of_reading(called.call, called.reading)


def _of_operation(call: PresetCall, row: Operation) -> dict[str, Any]:
    state = {State.DONE: "done", State.REFUSED: "failed", State.PLANNED: "queued"}.get(
        State(row.state), "running"
    )
    report = _report(call, state=state)
    report |= {"id": row.pk, "warnings": _warnings(call), "note": row.note}
    report["counts"]["operations"] = {
        "done": int(row.state == State.DONE),
        "refused": int(row.state == State.REFUSED),
        "unknown": int(row.state in {State.UNKNOWN, State.ASKS, State.SENDING}),
    }
    if state != "done":
        report["issues"] = [
            _issue(call, row.code or row.state, row.note or row.get_state_display())
        ]
    report["answer"] = {"status": row.status, "values": row.values, "response": row.answer}
    return report


def _of_reading(call: PresetCall, reading: Reading) -> dict[str, Any]:
    outcome = reading.outcome
    state = "done" if outcome.kind == Kind.DONE else "failed"
    if outcome.code == "not_found":
        state = "partial"
    report = _report(call, state=state) | {"warnings": _warnings(call), "note": outcome.note}
    if state != "done":
        report["issues"] = [_issue(call, outcome.code, outcome.note)]
    report["answer"] = {
        "status": outcome.status,
        "values": dict(outcome.values),
        "response": kept(reading.answer),
    }
    if reading.roles is not None:
        report["account"] = _account(reading.roles)
    return report


def _account(roles: RoleReading) -> dict[str, Any]:
    rows = None
    if roles.rows is not None:
        rows = [
            {"role": role, "scope_id": scope_id, "scope": scope}
            for role, scope_id, scope in roles.rows
        ]
    account: dict[str, Any] = masked({"found": roles.found, "status": roles.status, "roles": rows})
    return account


def _report(call: PresetCall, *, state: str) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "matched": 1,
        "done": int(state in {"done", "partial"}),
        "failed": int(state == "failed"),
        "waiting": int(state in {"queued", "running", "held"}),
        "no_longer_applies": 0,
        "operations": {"done": 0, "refused": 0, "unknown": 0},
    }
    return {
        "id": None,
        "name": call.preset_id,
        "kind": "preset",
        "state": state,
        "counts": counts,
        "issues": [],
        "warnings": [],
        "held": None,
        "error": None,
    }


def _warnings(call: PresetCall) -> list[dict[str, str]]:
    return [
        {"key": call.record.label, "code": "warning", "reason": text, "detail": ""}
        for text in call.warnings
    ]


def _issue(call: PresetCall, code: str, reason: str) -> dict[str, str]:
    return {"key": call.record.label, "code": code, "reason": reason, "detail": ""}


# For a terminal.


def plan_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What would be sent, line by line."""
    for row in report["plan"]:
        yield printable(f"{row['reason']} for {row['key']}. Nothing is sent.")
        request = row["request"]
        if request is None:
            continue
        yield printable(f"{request['method']} {request['url']}")
        for name, value in request["params"].items():
            yield printable(f"  ?{name} = {_text(value)}")
        for name, value in request["headers"].items():
            yield printable(f"  {name}: {value}")
        if request["body"] is not None:
            yield from _indented(request["body"])


def call_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What became of a call, line by line; answers are trimmed."""
    which = f" (operation {report['id']})" if report["id"] else ""
    words = {"running": "not known yet", "queued": "waits to be sent", "partial": "done"}
    state = words.get(report["state"], report["state"])
    yield printable(f"{report['name']}: {state}{which}. {report.get('note') or ''}".strip())
    account = report.get("account")
    if account is not None:
        yield from _account_lines(account)
        return
    answer = report.get("answer") or {}
    for name, value in answer.get("values", {}).items():
        yield printable(f"  {name} = {_text(value)}")
    if answer.get("response") is not None:
        yield from _indented(answer["response"])


def _account_lines(account: Mapping[str, Any]) -> Iterator[str]:
    if not account["found"]:
        return
    yield f"  status: {account['status'] or 'not said'}"
    if account["roles"] is None:
        yield "  roles: not said"
    for row in account["roles"] or ():
        scope = row["scope"] or row["scope_id"]
        yield printable(f"  role: {row['role']}{f' ({scope})' if scope else ''}")


def _indented(value: Any) -> Iterator[str]:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… --json gives more"
    for line in shown.splitlines():
        yield f"  {printable(line)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
