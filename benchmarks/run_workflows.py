"""The cases of workflows and of calls, in turn, and their tables."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import orjson
from run import HERE, database, our_environment

THREADS, LATENCY = 32, 20
LIMIT = 100
LATENCIES = (0, LATENCY)
GOALS = {"read": (0.35, 0.6), "change": (0.25, 0.5)}
EVENTS_A_SECOND = 5_000


@dataclass(frozen=True)
class Result:
    """What one child measured about itself, and what the vendor saw meanwhile."""

    seconds: float
    cpu: float
    told: Mapping[str, float]


class Bench:
    """One vendor, a database of each program that is copied for each case, and what was found."""

    def __init__(self, port: int, floor: str, ours: str, number: int) -> None:
        self._port = port
        self._floor, self._ours = floor, ours
        self.number = number
        self.found: dict[tuple[str, ...], list[Result]] = defaultdict(list)

    def do_round(self, name: str) -> None:
        """Every case once, each program in turn."""
        for milliseconds in LATENCIES:
            for what in GOALS:
                case = f"{what} {milliseconds}"
                self._answer(milliseconds)
                with database("postgresql", f"floor_{name}", like=self._floor) as place:
                    self._run(("floor", case), "floor_workflows.py", place, self._url, what)
                self.ours(name, case, what)
        self._answer(LATENCY)
        for threads in (1, THREADS):
            number = self.number // 10 if threads == 1 else self.number
            self._run(("floor", f"calls {threads}"), "floor_calls.py", self._url, number, threads)
        self.ours(name, "calls", "calls")
        self.ours(name, "roles", "roles")
        self._answer(LATENCY, LIMIT)
        self.ours(name, "limit", "calls", number=20 * LIMIT, limit=LIMIT)
        self.ours(name, "limit roles", "roles", number=10 * LIMIT, limit=LIMIT)
        self.ours(name, "dispatch", "dispatch")

    def ours(self, name: str, case: str, what: str, *, number: int = 0, limit: int = 0) -> None:
        """One of our cases in a fresh copy of our database."""
        with database("postgresql", f"ours_{name}", like=self._ours) as place:
            given = (what, number or self.number, limit)
            self._run(("ours", case), "ours_workflows.py", *given, place=place)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/v1"

    def _answer(self, milliseconds: int, limit: int = 0) -> None:
        self._ask(f"answer/{milliseconds}/{limit}")

    def _ask(self, path: str) -> Mapping[str, float]:
        url = f"http://127.0.0.1:{self._port}/{path}"
        with urllib.request.urlopen(url, timeout=60) as told:
            content: dict[str, float] = orjson.loads(told.read())
        return content

    def _run(
        self, case: tuple[str, ...], program: str, *given: str | float, place: str = ""
    ) -> None:
        self._ask("told")
        content = run(program, *given, environment=our_environment(place, self._port))
        told = orjson.loads(content.splitlines()[-1])
        self.found[case].append(Result(told["seconds"], told["cpu"], self._ask("told")))
        print(*case, f"{told['seconds']:.1f} s, CPU {told['cpu']:.1f} s", file=sys.stderr)

    # What came of it.

    def rate(self, *case: str, number: int = 0) -> float:
        """So many a second, the median of all rounds."""
        return (number or self.number) / median(one.seconds for one in self.found[case])

    def cpu(self, *case: str, number: int = 0) -> float:
        """Milliseconds of the processors for each."""
        return 1000 * median(one.cpu for one in self.found[case]) / (number or self.number)

    def told(self, what: str, *case: str) -> float:
        return max(one.told[what] for one in self.found[case])

    def limit_share(self, case: str) -> float:
        """Calls of a second as the vendor saw them, as a share of its limit."""
        shares = (one.told["calls"] / one.told["seconds"] for one in self.found["ours", case])
        return median(shares) / LIMIT


def run(program: str, *given: str | float, environment: Mapping[str, str]) -> bytes:
    """A program in a process of its own; what it printed."""
    ended = subprocess.run(
        [sys.executable, str(HERE / program), *map(str, given)],
        cwd=HERE.parent, env=environment, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return ended.stdout


@contextmanager
def vendor() -> Iterator[int]:
    """The fast vendor of single calls in a process of its own; gives its port."""
    command = [sys.executable, str(HERE / "vendor.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


def measure(number: int, rounds: int) -> None:
    """All cases in turn, `rounds` times, then the tables of medians."""
    with (
        vendor() as port,
        database("postgresql", "floor") as floor,
        database("postgresql", "ours") as ours,
    ):
        run(
            "floor_workflows.py", floor, "-", "setup", number, environment=our_environment("", port)
        )
        run("ours_workflows.py", "setup", number, environment=our_environment(ours, port))
        bench = Bench(port, floor, ours, number)
        for place in range(rounds):
            bench.do_round(str(place))
            print(f"round {place + 1} of {rounds} done", file=sys.stderr, flush=True)
    show_workflows(bench, rounds)
    show_calls(bench)
    show_dispatch(bench)


def show_workflows(bench: Bench, rounds: int) -> None:
    print(
        f"\nBegin -> API -> Update -> End, {bench.number:,} records, one worker process, "
        f"PostgreSQL, medians of {rounds} rounds"
    )
    print(
        f"  {'':24} {'floor/s':>9} {'ours/s':>9} {'ratio':>7} {'first':>6} {'reach':>6} "
        f"{'CPU ms floor':>13} {'ours':>6} {'ratio':>7}"
    )
    for milliseconds in LATENCIES:
        for what, (first, reach) in GOALS.items():
            case = f"{what} {milliseconds}"
            floor, ours = (bench.rate(program, case) for program in ("floor", "ours"))
            spent, own = (bench.cpu(program, case) for program in ("floor", "ours"))
            print(
                f"  {what + f', vendor at {milliseconds} ms':24} {floor:9,.0f} {ours:9,.0f} "
                f"{ours / floor:7.2f} {first:6.2f} {reach:6.2f} {spent:13.2f} {own:6.2f} "
                f"{spent / own:7.2f}"
            )


def show_calls(bench: Bench) -> None:
    bound = THREADS / (LATENCY / 1000)
    print(
        f"\nCalls that read, vendor at {LATENCY} ms; the bound of {THREADS} threads: {bound:,.0f}"
    )
    print(f"  {'':34} {'calls/s':>9} {'of bound':>9} {'CPU ms a call':>14}")
    # The role block makes two calls for each account.
    cases = (
        ("requests, one after another", "floor", "calls 1", bench.number // 10),
        (f"requests, {THREADS} threads", "floor", f"calls {THREADS}", bench.number),
        ("ours", "ours", "calls", bench.number),
        ("ours, roles one by one", "ours", "roles", 2 * bench.number),
    )
    for label, program, case, number in cases:
        rate = bench.rate(program, case, number=number)
        spent = bench.cpu(program, case, number=number)
        print(f"  {label:34} {rate:9,.0f} {rate / bound:9.2f} {spent:14.2f}")
    for label, case in (("calls", "limit"), ("roles one by one", "limit roles")):
        share, refused = bench.limit_share(case), bench.told("refused", "ours", case)
        print(f"  {label} at a limit of {LIMIT} a second: {share:.3f} of it, {refused:.0f} refused")


def show_dispatch(bench: Bench) -> None:
    rate, spent = bench.rate("ours", "dispatch"), bench.cpu("ours", "dispatch")
    print(f"\n{bench.number:,} events into five workflows")
    print(f"  {rate:,.0f} events/s (goal {EVENTS_A_SECOND:,}), CPU {spent:.2f} ms each")
