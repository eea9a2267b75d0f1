"""What the commands share: who acts, exit codes, errors as one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from enum import IntEnum
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from integrations import references
from integrations.errors import (
    AlreadyRunning,
    DefinitionInvalid,
    InstallationPaused,
    IntegrationsError,
    NotReady,
    UndoRefused,
    did_you_mean,
)
from integrations.models import SyncRun

COMMAND_LINE = "command line"


class Exit(IntEnum):
    """How a command ended; scripts rely on the numbers."""

    DONE = 0
    ISSUES = 1
    WRONG = 2
    FAILED = 3
    HELD = 4


_WORST_FIRST = (Exit.FAILED, Exit.WRONG, Exit.HELD, Exit.ISSUES, Exit.DONE)
_EXIT_OF_RUN = {
    SyncRun.State.DONE: Exit.DONE,
    SyncRun.State.PARTIAL: Exit.ISSUES,
    SyncRun.State.HELD: Exit.HELD,
    SyncRun.State.QUEUED: Exit.HELD,
    SyncRun.State.RUNNING: Exit.HELD,
}


def worst(codes: Iterable[Exit]) -> Exit:
    """The code that counts when there are several; none at all is DONE."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), Exit.DONE)


def exit_of(run: SyncRun) -> Exit:
    """The code of one run by its state; 1 when records have issues."""
    code = _EXIT_OF_RUN.get(SyncRun.State(run.state), Exit.FAILED)
    if code == Exit.DONE and run.counts.get("issues"):
        return Exit.ISSUES
    return code


def exit_of_error(error: IntegrationsError) -> Exit:
    """The code for a run that never began."""
    if isinstance(error, AlreadyRunning | InstallationPaused):
        return Exit.HELD
    return (
        Exit.WRONG if isinstance(error, NotReady | DefinitionInvalid | UndoRefused) else Exit.FAILED
    )


class Command(BaseCommand):
    """A command whose `run` gives its exit code; errors become one sentence, not a traceback."""

    requires_system_checks = []
    # Whether it may read secrets that are kept outside of the database (M-35).
    reads_references = False

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_own_arguments(parser)

    def add_own_arguments(self, parser: CommandParser) -> None:
        """For the command to fill in."""

    def run(self, options: dict[str, Any]) -> Exit:
        """Do it. IntegrationsError and database errors may be raised."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        may_read = references.readable() if self.reads_references else nullcontext()
        try:
            with may_read:
                code = self.run(options)
        except IntegrationsError as error:
            raise CommandError(error.message, returncode=exit_of_error(error)) from None
        except Error as error:
            reason = str(error).strip().split("\n", 1)[0]
            raise CommandError(
                f"The database does not answer: {reason}", returncode=Exit.FAILED
            ) from None
        except BrokenPipeError:
            # Whoever read has had enough; Python must not complain when it closes the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = Exit.DONE
        if code != Exit.DONE:
            raise SystemExit(int(code))

    def wrong(self, message: str) -> CommandError:
        """A mistake in how the command was called."""
        return CommandError(message, returncode=Exit.WRONG)

    def say(self, text: str) -> None:
        """Write for people who also pipe standard output somewhere."""
        self.stderr.write(text, self.style.NOTICE)

    def write_piece(self, text: str) -> None:
        """Write to standard output without ending the line."""
        self.stdout.write(text, ending="")


def add_as(parser: CommandParser) -> None:
    """Add `--as USER`."""
    parser.add_argument(
        "--as", dest="user", metavar="USER", help="act as this user, with this user's permissions"
    )


def acting(username: str | None, permissions: Sequence[str]) -> str:
    """The name to act under. Without a user it is the command line, which may do everything.

    Raises CommandError (2) for an unknown or inactive user, or one without a permission.
    """
    if username is None:
        return COMMAND_LINE
    users = User.objects.filter(is_active=True)
    user = users.filter(**{User.USERNAME_FIELD: username}).first()
    if user is None:
        hint = did_you_mean(username, users.values_list(User.USERNAME_FIELD, flat=True))
        raise CommandError(f'There is no active user "{username}".{hint}', returncode=Exit.WRONG)
    for permission in permissions:
        if not user.has_perm(permission):
            raise CommandError(
                f'"{username}" may not do this: the permission {permission} is missing. '
                "The group IT admin has it.",
                returncode=Exit.WRONG,
            )
    return user.get_username()
