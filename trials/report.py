"""How every trial is called and what it prints: a table of promises, and a verdict."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 10


@dataclass(frozen=True)
class Promise:
    """One line of the table. `broken` has a sentence for each time that it was not kept.

    `figures` is what was measured besides: {"recovery median s": 3.1}.
    """

    name: str
    tried: int
    broken: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """A promise that nothing tried is not kept."""
        return self.tried > 0 and not self.broken


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every trial has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="a few of each, for the test suite")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    return parser


def progress(text: str) -> None:
    """Say on stderr how far a long trial is."""
    print(text, file=sys.stderr, flush=True)


def finish(title: str, promises: Sequence[Promise], *, as_json: bool = False) -> int:
    """Print the table and the verdict; the exit code: 1 when a promise was broken or not tried."""
    kept = bool(promises) and all(promise.is_kept for promise in promises)
    if as_json:
        rows = [
            {
                "name": promise.name,
                "tried": promise.tried,
                "broken": list(promise.broken),
                "figures": dict(promise.figures),
            }
            for promise in promises
        ]
        print(json.dumps({"title": title, "kept": kept, "promises": rows}, default=str))
    else:
        _print_table(title, promises)
        print("Every promise was kept." if kept else "PROMISES WERE BROKEN.", flush=True)
    return 0 if kept else 1


def _print_table(title: str, promises: Sequence[Promise]) -> None:
    width = max((len(promise.name) for promise in promises), default=10)
    print(f"{title}\n  {'':{width}}  {'tried':>7}  {'broken':>6}")
    for promise in promises:
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in promise.figures.items())
        line = f"  {promise.name:{width}}  {promise.tried:7,}  {len(promise.broken):6,}  {figures}"
        print(line.rstrip())
        for sentence in promise.broken[:SHOWN]:
            print(f"    - {sentence}")
        if len(promise.broken) > SHOWN:
            print(f"    - and {len(promise.broken) - SHOWN:,} more")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
