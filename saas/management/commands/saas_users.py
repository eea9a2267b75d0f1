"""`manage.py saas_users`: the accounts of one application, every field."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from people.listing import FORMATS, custom_keys, write_rows
from people.models import CustomField
from saas.errors import UnknownApplication
from saas.listing import COLUMNS, find_application, saas_user_rows


class Command(BaseCommand):
    """Four queries, whatever the number of accounts."""

    help = "List the users of a SaaS application with every field and their roles of now."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("application", metavar="APPLICATION")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            application = find_application(options["application"])
        except UnknownApplication as error:
            raise CommandError(str(error), returncode=2) from None
        custom = custom_keys(CustomField.Object.SAAS_USER)
        try:
            count = write_rows(
                options["format"],
                [*COLUMNS, *custom],
                saas_user_rows(application, custom),
                lambda text: self.stdout.write(text, ending=""),
            )
        except BrokenPipeError:
            # Whoever read has had enough; Python must not complain when it closes the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        if not count:
            self.stderr.write(f"{application} has no users yet.")
