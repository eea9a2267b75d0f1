"""`make bench`: ours against the floor, in turn, on this machine; ratios, not absolute figures.

    make bench ARGS="--only syncs --records 10000,100000 --rounds 3 --sqlite"
    make bench ARGS="--only workflows --records 10000 --rounds 3"
    make bench ARGS="--only pages --records 1000000 --rounds 3"

Needs PostgreSQL at BENCH_DATABASE_URL (its database is not touched: others are made and dropped).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import orjson
import psycopg

HERE = Path(__file__).resolve().parent
SERVER = os.environ.get("BENCH_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
CASES = ("first load", "nothing changed", "1 % changed")
PROGRAMS = ("floor", "ours")
FIRST_GOAL = {"first load": 0.30, "nothing changed": 0.35, "1 % changed": 0.30}


@dataclass(frozen=True)
class Result:
    """What one child measured about itself."""

    seconds: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=["syncs", "workflows", "pages"])
    parser.add_argument(
        "--records", help="10000,100000 for syncs, 10000 for workflows, 100000 for pages"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sqlite", action="store_true", help="SQLite too, of syncs")
    options = parser.parse_args()
    if options.only in {None, "syncs"}:
        measure_syncs(options)
    if options.only in {None, "workflows"}:
        import run_workflows

        run_workflows.measure(first_number(options, "10000"), options.rounds)
    if options.only in {None, "pages"}:
        import pages

        pages.measure(first_number(options, "100000"), options.rounds)


def first_number(options: argparse.Namespace, otherwise: str) -> int:
    return int((options.records or otherwise).partition(",")[0])


def measure_syncs(options: argparse.Namespace) -> None:
    engines = ["postgresql", "sqlite"] if options.sqlite else ["postgresql"]
    for engine in engines:
        for records in map(int, (options.records or "10000,100000").split(",")):
            measure(engine, records, options.rounds)


def measure(engine: str, records: int, rounds: int) -> None:
    """All programs and cases in turn, `rounds` times, then one table of medians."""
    found: dict[tuple[str, str], list[Result]] = defaultdict(list)
    with source(records) as port:
        for number in range(rounds):
            for program in PROGRAMS:
                with database(engine, f"{program}_{number}") as place:
                    switch(port, 0)
                    child(program, engine, place, port, "setup")
                    for version, case in zip((0, 0, 1), CASES, strict=True):
                        switch(port, version)
                        result = child(program, engine, place, port, "sync")
                        found[program, case].append(result)
            print(f"round {number + 1} of {rounds} done", file=sys.stderr, flush=True)
    show(engine, records, rounds, found)


def show(
    engine: str, records: int, rounds: int, found: dict[tuple[str, str], list[Result]]
) -> None:
    print(f"\n{records:,} records, {engine}, medians of {rounds} rounds")
    print(
        f"  {'':16} {'floor/s':>9} {'ours/s':>9} {'ratio':>7} {'goal':>6} "
        f"{'floor MB':>9} {'ours MB':>8}"
    )
    for case in CASES:
        floor, ours = (found[program, case] for program in PROGRAMS)
        rates = [records / median(one.seconds for one in results) for results in (floor, ours)]
        peaks = [max(one.megabytes for one in results) for results in (floor, ours)]
        print(
            f"  {case:16} {rates[0]:9,.0f} {rates[1]:9,.0f} {rates[1] / rates[0]:7.2f} "
            f"{FIRST_GOAL[case]:6.2f} {peaks[0]:9.0f} {peaks[1]:8.0f}",
            flush=True,
        )


@contextlib.contextmanager
def source(records: int) -> Iterator[int]:
    """The fast vendor in a process of its own; gives its port."""
    command = [sys.executable, str(HERE / "source.py"), str(records)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


def switch(port: int, version: int) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/version/{version}", method="POST")
    urllib.request.urlopen(request, timeout=300).close()  # noqa: S310 - loopback


@contextlib.contextmanager
def database(engine: str, name: str, *, like: str = "template1") -> Iterator[str]:
    """A database, dropped afterwards: a PostgreSQL URL or a SQLite file.

    Empty, or a copy of the PostgreSQL database at the URL `like`.
    """
    if engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="rolecall-bench-") as folder:
            yield f"{folder}/bench.sqlite3"
        return
    full_name = f"rolecall_bench_{os.getpid()}_{name}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        original = urlsplit(like).path.rpartition("/")[2]
        server.execute(f'CREATE DATABASE "{full_name}" TEMPLATE "{original}"')
        try:
            yield urlsplit(SERVER)._replace(path=f"/{full_name}").geturl()
        finally:
            server.execute(f'DROP DATABASE "{full_name}" WITH (FORCE)')


def our_environment(database_url: str, port: int) -> dict[str, str]:
    """What our programs run with: their own database and folder, this vendor and no other."""
    folder = Path(tempfile.gettempdir()) / "rolecall-bench-data"
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "SECRETS_FILE": str(folder / "secrets.env"),
        "ROLECALL_IGNORE_ENV_FILE": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "EGRESS_EXTRA_HOSTS": f"127.0.0.1:{port}",
        "SOURCE_URL": f"http://127.0.0.1:{port}/api/v1",
        "LOG_LEVEL": "WARNING",
    }


def child(program: str, engine: str, place: str, port: int, what: str) -> Result:
    """Run one step in a new process, so that memory is counted from nothing."""
    base = f"http://127.0.0.1:{port}/api/v1"
    environment = dict(os.environ)
    if program == "floor":
        command = [str(HERE / f"floor_{engine}.py"), place, f"{base}/users", what]
    else:
        command = [str(HERE / "ours.py"), what]
        environment = our_environment(
            place if engine == "postgresql" else f"sqlite:///{place}", port
        )
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=HERE.parent, env=environment, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    if what == "setup":
        return Result(0, 0)
    content = orjson.loads(ended.stdout.splitlines()[-1])
    return Result(content["seconds"], content["megabytes"])


if __name__ == "__main__":
    main()
