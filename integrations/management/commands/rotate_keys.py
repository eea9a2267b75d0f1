"""`manage.py rotate_keys`: seal every secret again with the first of FERNET_KEYS."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit
from integrations.keeping.rotation import rotate_keys

_SAY_EVERY = 100


class Command(BaseCommand):
    """Can be stopped and run again while work goes on."""

    help = "Seal every secret again with the first of FERNET_KEYS."

    def run(self, _options: dict[str, Any]) -> Exit:
        done = rotate_keys(on_progress=self._say_how_far)
        self.stdout.write(
            f"{done.sealed} of {done.total} secrets are sealed with the first key; "
            f"{done.changed} of them since this command began."
        )
        for name in done.unreadable:
            self.stderr.write(
                f'The secrets of "{name}" open with none of the keys. Put back the key that '
                "sealed them and run this again, or enter the secrets again."
            )
        if not done.is_complete:
            self.stderr.write("Keep every key: not all secrets open with the first alone.")
            return Exit.ISSUES
        if len(settings.FERNET_KEYS) > 1:
            self.stdout.write(
                "All of them open with the first key alone: the old key can be removed from "
                "FERNET_KEYS now. Keep it as long as you keep backups that were made before."
            )
        return Exit.DONE

    def _say_how_far(self, done: int, total: int) -> None:
        if done % _SAY_EVERY == 0:
            self.say(f"{done} of {total}")
