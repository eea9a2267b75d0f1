"""`manage.py operations`: vendor calls that change something, looked at and settled."""

from __future__ import annotations

from typing import Any

import orjson
from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as
from integrations.models import Operation
from integrations.operations.resolve import RESOLVE, settle
from integrations.operations.words import as_json, listed, shown_payload, standing, times
from integrations.printing import printable
from integrations.show import moment

_READ = "integrations.view_operation"
_MOST_LISTED = 200


class Command(BaseCommand):
    """Lists, shows and resolves. What waits is carried on by workers and by `run_due`."""

    help = "Vendor calls that changed something; those that nobody knows the end of come first."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", default="list", choices=["list", "show", "resolve"])
        parser.add_argument("number", metavar="ID", nargs="?", type=int, help="the operation")
        word = parser.add_mutually_exclusive_group()
        word.add_argument(
            "--done", action="store_true", help="you looked at the vendor: it went through"
        )
        word.add_argument(
            "--not-done", action="store_true", help="you looked at the vendor: it did not"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        verb, json = options["verb"], options["json"]
        says = options["done"] or options["not_done"]
        if verb != "resolve" and says:
            raise self.wrong("--done and --not-done belong to `operations resolve ID`.")
        if verb == "list":
            acting(options["user"], [_READ])
            return self._list(json=json)
        row = self._find(options["number"])
        if verb == "show":
            acting(options["user"], [_READ])
            return self._show(row, json=json)
        if not says:
            raise self.wrong("Look at the vendor, then say --done or --not-done.")
        by = acting(options["user"], [RESOLVE])
        user = User.objects.filter(username=by).first()
        row = settle(row.pk, done=options["done"], by=user, name=by, now=timezone.now())
        return self._tell([row], json=json)

    def _find(self, number: int | None) -> Operation:
        if number is None:
            raise self.wrong("Name the operation by the id that `operations list` prints.")
        row = Operation.objects.select_related("waits_for", "resolved_by").filter(pk=number).first()
        if row is None:
            raise self.wrong(
                f"There is no operation {number}. `operations list` prints the newest."
            )
        return row

    def _list(self, *, json: bool) -> Exit:
        """The open ones, then the newest."""
        found = list(listed().defer("request", "answer", "values")[:_MOST_LISTED])
        if not found and not json:
            self.say("No call that changes something was sent to a vendor yet.")
            return Exit.DONE
        return self._tell(found, json=json)

    def _show(self, row: Operation, *, json: bool) -> Exit:
        self._tell([row], json=json, whole=True)
        if json:
            return Exit.DONE
        for what, when in times(row):
            self.stdout.write(printable(f"        {what}: {when}"))
        for title, text in shown_payload(row):
            self.stdout.write(f"        {title}:")
            for line in text.splitlines():
                self.stdout.write(printable(f"          {line}"))
        return Exit.DONE

    def _tell(self, rows: list[Operation], *, json: bool, whole: bool = False) -> Exit:
        if json:
            told = {"operations": [as_json(row, whole=whole) for row in rows]}
            self.stdout.write(orjson.dumps(told).decode())
            return Exit.DONE
        for row in rows:
            line = f"{row.pk:>6}  {row.state:<8} {row.preset} for {row.record or row.target}, "
            line += f"{moment(row.created_at)}, {row.started_by}. {standing(row)}"
            self.stdout.write(printable(line.rstrip()))
        return Exit.DONE
