"""Processes that end with the one that started them, also when that one is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Bond:
    """Run in the new process before its program: Linux sends it SIGTERM when the parent dies.

    Linux means the thread that started it, so start from one that lives as long as the process.
    """

    parent: int

    def __call__(self) -> None:
        assert _libc is not None  # noqa: S101 - only made where there is one
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self.parent:  # it died in between
            os._exit(1)


def bond() -> Bond | None:
    """What to give to Popen as `preexec_fn`; None where the system has no such thing."""
    return Bond(os.getpid()) if _libc else None
