"""`manage.py config`: make what a YAML file says, or write what there is as such a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as
from integrations.configuration import apply_file, export_text


class Command(BaseCommand):
    """Parses, calls one function of `integrations.configuration`, shows its receipt."""

    help = "Apply a configuration file (YAML), or export the configuration as one."

    def add_own_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="apply | export")
        apply = verbs.add_parser("apply", help="make what the file says; safe to repeat")
        apply.add_argument("file", metavar="FILE", type=Path)
        apply.add_argument("--plan", action="store_true", help="show the difference, write nothing")
        add_as(apply)
        export = verbs.add_parser("export", help="write the configuration, without any secret")
        export.add_argument("file", metavar="FILE", type=Path, nargs="?")

    def run(self, options: dict[str, Any]) -> Exit:
        if options["verb"] == "apply":
            return self._apply(options)
        return self._export(options["file"])

    def _apply(self, options: dict[str, Any]) -> Exit:
        by = acting(options["user"], ())
        receipt = apply_file(options["file"], by=by, plan=options["plan"])
        for note in receipt.notes:
            self.say(f"Note: {note}")
        self.stdout.write(str(receipt))
        return Exit.DONE

    def _export(self, file: Path | None) -> Exit:
        text = export_text()
        if file is None:
            self.stdout.write(text, ending="")
            return Exit.DONE
        try:
            _write_at_once(file, text)
        except OSError as problem:
            raise self.wrong(f"{file} cannot be written: {problem.strerror}") from None
        self.say(f"Written to {file}.")
        return Exit.DONE


def _write_at_once(file: Path, text: str) -> None:
    """Write beside the file and put it in its place: it is never there by half (F-41)."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
