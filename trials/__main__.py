"""Every trial after the other, with the time of each: `python -m trials [--short]`.

Exits 1 when any of them printed a broken promise.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from trials.report import make_parser

# Each is a program of its own; those that take longest come first.
TRIALS = (
    "kills",
    "workflows",
    "simulate",
    "operations",
    "listings",
    "guard",
    "broker",
    "rotation",
    "refresh",
    "restore",
    "schedules",
    "sequences",
    "mail",
    "locks",
)
ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run them all, whatever the earlier ones printed."""
    options = make_parser(__doc__).parse_args()
    flags = [f"--{name}" for name in ("short", "json") if getattr(options, name)]
    lines, broken = [], 0
    for name in TRIALS:
        began = time.monotonic()
        code = subprocess.call([sys.executable, "-m", f"trials.{name}", *flags], cwd=ROOT)
        broken += code != 0
        seconds = time.monotonic() - began
        lines.append(f"  {name:10} {'kept' if code == 0 else 'BROKEN':6} {seconds:7,.0f} s")
        print(flush=True)
    print("All trials:", *lines, sep="\n", file=sys.stderr if options.json else sys.stdout)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
