"""`manage.py people`: everybody, every field."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from people.listing import FORMATS, custom_keys, person_rows, write_rows
from people.models import CustomField
from people.queries import PERSON_FIELDS


class Command(BaseCommand):
    """Two queries, whatever the number of people."""

    help = "List everybody with every field."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, *_args: Any, **options: Any) -> None:
        custom = custom_keys(CustomField.Object.PERSON)
        columns = ["id", *PERSON_FIELDS, *custom]
        try:
            count = write_rows(
                options["format"],
                columns,
                person_rows(custom),
                lambda text: self.stdout.write(text, ending=""),
            )
        except BrokenPipeError:
            # Whoever read has had enough; Python must not complain when it closes the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        if not count:
            self.stderr.write("There are no people yet.")
