"""The command `plans` for what an app above holds: the same words, the app's own functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from integrations.approvals import Decision
from integrations.commands import Command, Exit, acting
from integrations.plans import OtherPlans, Shown
from integrations.printing import plan_lines, printable


def decide_other(command: Command, plans: OtherPlans, options: Mapping[str, Any]) -> Exit:
    """Show, approve or reject. Raises CommandError (2) where there is nothing to decide on."""
    verb, name = options["verb"], options["number"]
    is_reading = verb == "show"
    by = acting(options["user"], [plans.read if is_reading else plans.decide])
    number = _number(command, name)
    rows = plans.rows(number)
    if rows is None:
        raise command.wrong(f"There is no run {name}. `plans list` prints what waits.")
    if is_reading:
        return _show(command, name, rows, plans.report(number) if options["json"] else None)
    if not rows:
        raise command.wrong(f"Run {name} holds nothing.")
    shown = _chosen(command, name, rows, options["rows"])
    decision = plans.approve(shown, by) if verb == "approve" else plans.reject(shown, by)
    said = plans.go_on(number) if verb == "approve" and decision.decided else ""
    told = _Told(name, decision, _still_held(plans, number, shown, decision), said)
    return _tell(command, told, plans.report(number) if options["json"] else None)


def _number(command: Command, name: str) -> int:
    digits = name[1:]
    if not (digits.isascii() and digits.isdecimal()):
        raise command.wrong("Name the plan by the id that `plans list` prints.")
    return int(digits[:18])


def _chosen(
    command: Command, name: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[int] | None
) -> Shown:
    held = {row["id"]: row["hash"] for row in rows}
    for row_id in ids or ():
        if row_id not in held:
            raise command.wrong(f"Run {name} holds no row {row_id}: see `plans show {name}`.")
    return [(row_id, held[row_id]) for row_id in (held if ids is None else ids)]


def _show(
    command: Command,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    report: Mapping[str, Any] | None,
) -> Exit:
    """`report` is the run as JSON tells it, without the rows; None: in words."""
    if report is not None:
        whole = {**report, "plan": list(rows)}
        command.stdout.write(orjson.dumps({"runs": [whole]}).decode())
        return Exit.DONE
    for row in rows:
        for number, line in enumerate(plan_lines(row)):
            command.stdout.write(f"{row['id']:>8}  {line}" if number == 0 else f"{'':>10}{line}")
        if row["decided_by"]:
            command.stdout.write(f"{'':>14}approved by {printable(row['decided_by'])}")
    command.stdout.write(f"Run {name}: {len(rows)} rows.")
    return Exit.DONE


@dataclass(frozen=True)
class _Told:
    """What came of a decision; `still` are rows that were approved and are held all the same."""

    name: str
    decision: Decision
    still: Sequence[Mapping[str, str]]
    said: str


def _still_held(
    plans: OtherPlans, number: int, shown: Shown, decision: Decision
) -> list[dict[str, str]]:
    meant = {row_id for row_id, _hash in shown}
    refused = {key for key, _why in decision.refused}
    return [
        {"key": row["key"], "reason": row["reason"]}
        for row in plans.rows(number) or ()
        if row["id"] in meant and row["key"] not in refused
    ]


def _tell(command: Command, told: _Told, report: Mapping[str, Any] | None) -> Exit:
    """`report` is the run as JSON tells it; None: in words."""
    decision = told.decision
    if report is not None:
        whole = {
            "runs": [report],
            "decided": decision.decided,
            "refused": [{"key": key, "reason": why} for key, why in decision.refused],
            "still_held": told.still,
        }
        command.stdout.write(orjson.dumps(whole).decode())
    else:
        command.stdout.write(f"Run {told.name}: {decision.decided} records decided on.")
        if told.said:
            command.say(printable(told.said))
        for key, why in decision.refused:
            command.stderr.write(printable(f"Not decided on: {key}: {why}"))
        for row in told.still:
            command.stderr.write(printable(f"Still held: {row['key']}: {row['reason']}"))
    return Exit.HELD if decision.refused or told.still else Exit.DONE
