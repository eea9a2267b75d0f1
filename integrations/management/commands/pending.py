"""`manage.py pending`: what is queued, running, parked, held, which mails and calls wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit
from integrations.pending import Pending, WaitingRun, find_pending

_CALLS = {
    "waiting": "to vendors wait to be sent",
    "sending": "to vendors are being sent",
    "unknown": "to vendors may have gone through; they are looked up",
    "asks": "to vendors ask for a person: see `operations list`",
}


class Command(BaseCommand):
    """Ends with 4 while work is under way, so that a script can wait for the end.

    Held removals alone end with 0: they wait for a person, and no waiting ends that.
    """

    help = "Say what waits; exit 0 when nothing is queued or running, else 4."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")

    def run(self, options: dict[str, Any]) -> Exit:
        pending = find_pending(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(asdict(pending), default=str))
        else:
            self._print(pending)
        return Exit.HELD if pending.is_under_way else Exit.DONE

    def _print(self, pending: Pending) -> None:
        if pending.paused:
            self.stdout.write(f"Paused: {pending.paused.because}. Only previews begin.")
        for words, runs in (
            ("running", pending.running),
            ("queued", pending.queued),
            ("parked", pending.parked),
            ("waiting", pending.waiting),
        ):
            for run in runs:
                self.stdout.write(f"{words:<8} {_in_words(run)}")
        for held in pending.held:
            what = "removals" if held.plan.isdecimal() else "records"
            self.stdout.write(
                f"held     {held.removals} {what} of {held.name}, run {held.run}: somebody "
                f"approves or rejects them (plans show {held.plan})"
            )
        for line in _numbers(pending):
            self.stdout.write(line)
        calm = not (pending.waiting or pending.held or pending.operations["asks"])
        if calm and not pending.is_under_way:
            self.stdout.write("Nothing waits.")


def _numbers(pending: Pending) -> Iterator[str]:
    """What is only counted."""
    if pending.events:
        yield f"events   {pending.events} wait to be looked at by workflows"
    if pending.mails["queued"]:
        yield f"mails    {pending.mails['queued']} wait to be sent"
    if pending.mails["unknown"]:
        yield f"mails    {pending.mails['unknown']} were perhaps sent; look at them"
    for state, number in pending.operations.items():
        if number:
            yield f"calls    {number} {_CALLS[state]}"


def _in_words(run: WaitingRun) -> str:
    until = (
        f", not before {timezone.localtime(run.due_at):%-d %b %Y, %H:%M %Z}" if run.due_at else ""
    )
    return f"{run.kind} of {run.name}, run {run.id}, asked for by {run.started_by}{until}"
