"""Pages over many rows against the same pages over 1,000, in turn, and their table."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median

import orjson
from run import HERE, database, our_environment
from run_workflows import run

SMALL = 1_000
NO_VENDOR = 9  # a port of which nobody asks anything
TIMES = 3  # that a page is asked for in each round
GOAL, SEARCH_GOAL, DASHBOARD_GOAL = 1.5, 2.0, 2.0


class Site:
    """The product over one database, in a process of its own; `pages` is {what: address}."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pages: Mapping[str, str] = self._read()

    def _read(self) -> dict[str, str]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A page could not be shown: see above.")
        told: dict[str, str] = orjson.loads(line)
        return told

    def ask(self, page: str) -> tuple[float, int]:
        """Milliseconds and queries of a page."""
        assert self._process.stdin
        print(self.pages[page], file=self._process.stdin, flush=True)
        told = self._read()
        return float(told["ms"]), int(told["queries"])


@contextmanager
def site(number: int) -> Iterator[Site]:
    """A filled database and the product over it; both are gone afterwards."""
    with database("postgresql", f"pages_{number}") as place:
        static = tempfile.gettempdir() + "/rolecall-bench-static"
        environment = {**our_environment(place, NO_VENDOR), "STATIC_ROOT": static}
        run("ours_pages.py", "setup", number, environment=environment)
        print(f"{number:,} rows of each are there", file=sys.stderr, flush=True)
        command = [sys.executable, str(HERE / "ours_pages.py"), "serve"]
        with subprocess.Popen(
            command, cwd=HERE.parent, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                yield Site(process)
            finally:
                process.kill()


def measure(number: int, rounds: int) -> None:
    """All pages in turn, `rounds` times, then the table of medians."""
    with ExitStack() as stack:
        sites = [stack.enter_context(site(rows)) for rows in (SMALL, number)]
        asked = list(sites[0].pages)
        times: dict[tuple[str, int], list[float]] = defaultdict(list)
        queries: dict[tuple[str, int], int] = {}
        for page in asked:  # once without a clock: templates are read then
            for which, one in enumerate(sites):
                queries[page, which] = one.ask(page)[1]
        for place in range(rounds):
            for page in asked:
                for which, one in [*enumerate(sites)] * TIMES:
                    milliseconds, asks = one.ask(page)
                    times[page, which].append(milliseconds)
                    # Now and then a session is written too.
                    queries[page, which] = min(queries[page, which], asks)
            print(f"round {place + 1} of {rounds} done", file=sys.stderr, flush=True)
    found = {page: (median(times[page, 0]), median(times[page, 1])) for page in asked}
    show(number, found, {page: (queries[page, 0], queries[page, 1]) for page in asked})


def goal_of(page: str) -> float:
    """How many times as long as over 1,000 rows a page may take."""
    if page == "dashboard":
        return DASHBOARD_GOAL
    return SEARCH_GOAL if "q=" in page else GOAL


def show(
    number: int, found: Mapping[str, tuple[float, float]], queries: Mapping[str, tuple[int, int]]
) -> None:
    print(f"\nPages of the admin, {SMALL:,} and {number:,} rows of each, PostgreSQL, medians")
    print(f"  {'':48} {'small ms':>9} {'large ms':>9} {'ratio':>6} {'goal':>5} {'queries':>9}")
    over = 0
    for page, (small, large) in found.items():
        few, many = queries[page]
        goal = goal_of(page)
        is_over = large > goal * small
        over += is_over
        print(
            f"  {page:48} {small:9.1f} {large:9.1f} {large / small:6.2f} {goal:5.1f} "
            f"{few:4} {many:4}{' OVER' if is_over else ''}{' QUERIES' if few != many else ''}"
        )
    unequal = sum(few != many for few, many in queries.values())
    print(f"  {len(found)} pages, {over} over the goal, {unequal} with another number of queries")
