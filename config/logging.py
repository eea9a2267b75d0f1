"""How this process logs: one line of text per event on standard error, secrets masked (S-05)."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from people.masking import mask

_formatter = logging.Formatter()


class SecretMasker(logging.Filter):
    """Masks a record's message, traceback and stack before any handler writes them."""

    def filter(self, record: logging.LogRecord) -> bool:
        # A name with a line break in it must not forge a line of its own.
        record.msg = mask(record.getMessage()).replace("\r", "\\r").replace("\n", "\\n")
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = _formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask(record.exc_text)
        record.exc_info = None  # A handler that formats it again would see the secret.
        if record.stack_info:
            record.stack_info = mask(record.stack_info)
        return True


def logging_settings(level: str) -> dict[str, Any]:
    """Django's LOGGING: every logger ends at the one masked handler on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"mask_secrets": {"()": "config.logging.SecretMasker"}},
        "formatters": {
            "line": {
                "format": "{asctime} {levelname} {name}: {message}",
                "datefmt": "%Y-%m-%d %H:%M:%S",
                "style": "{",
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["mask_secrets"],
                "formatter": "line",
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # It names the lock's parameters at INFO whenever a process starts.
            "axes": {"level": "WARNING"},
            # At DEBUG these write whole addresses and headers.
            "urllib3": {"level": "WARNING"},
            "requests": {"level": "WARNING"},
        },
    }


def mask_uncaught_errors() -> None:
    """Mask what Python writes when nothing caught an error, in any thread. Safe to repeat."""

    def write(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, at)
            return
        sys.stderr.write(mask("".join(traceback.format_exception(kind, error, at))))

    def write_for_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            write(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = write
    threading.excepthook = write_for_thread
