"""`make test`: every test that this machine can run; the last lines say what was left out, and why.

TEST_DATABASE_URL and TEST_BROKER_URL name the servers; with REQUIRE_ALL=1 a missing one fails.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parent.parent
DATABASE_URL = os.environ.get(
    "TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"
).strip()
BROKER_URL = os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:6379/0").strip()
REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in {"", "0"}
NO_TESTS = 5  # pytest's exit code
# More than there are processors: half of the time a test waits, for a lease, a child, a vendor.
WORKERS = min(2 * (os.cpu_count() or 1), 8)
# What an installation is configured by must not reach the suite.
OURS = {
    "DATABASE_URL", "DATA_DIR", "SECRETS_FILE", "SECRET_KEY", "FERNET_KEYS", "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS", "EMAIL_URL", "DEFAULT_FROM_EMAIL", "TIME_ZONE", "PUBLIC_URL",
    "DJANGO_SETTINGS_MODULE", "EGRESS_EXTRA_HOSTS", "LOG_LEVEL",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of the closing report."""

    verdict: str  # passed, FAILED, left out
    what: str
    detail: str


def main(arguments: list[str]) -> int:
    """Run the parts in turn and print what became of each. 0 when nothing failed."""
    report = [suite("the suite on SQLite", {}, ["-m", "not browser", *arguments])]
    problem = postgresql_problem()
    if problem:
        report.append(missing("the suite on PostgreSQL", problem))
    else:
        server = {"DATABASE_URL": DATABASE_URL}
        report.append(suite("the suite on PostgreSQL", server, ["-m", "not browser", *arguments]))
    problem = redis_problem()
    report.append(
        missing("Redis", problem) if problem else Line("passed", "Redis", "answers a ping")
    )
    if find_chromium():
        report.append(suite("the browser tests", {}, ["-m", "browser", *arguments], workers=1))
    else:
        report.append(missing("the browser tests", "no Chromium was found on this machine"))
    print("\nWhat was run, and what was left out:")
    for line in report:
        print(f"  {line.verdict:9} {line.what}: {line.detail}")
    failed = any(line.verdict == "FAILED" for line in report)
    print("FAILED" if failed else "All that was run passed.")
    return 1 if failed else 0


def missing(what: str, why: str) -> Line:
    if REQUIRE_ALL:
        return Line("FAILED", what, f"{why}, and REQUIRE_ALL is set")
    return Line("left out", what, why)


def suite(
    what: str, environment: dict[str, str], options: list[str], *, workers: int = WORKERS
) -> Line:
    """Run pytest; its own output goes to the terminal as it comes."""
    print(f"\n=== {what} ===", flush=True)
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    with tempfile.TemporaryDirectory(prefix="rolecall-suite-") as folder:
        result = Path(folder) / "result.xml"
        env |= environment | {"TEST_DB_SUFFIX": f"_{os.getpid()}", "DATA_DIR": folder}
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={result}", *options]
        if workers > 1:
            command += ["-n", str(workers)]
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        if code == NO_TESTS and not any(options.count(word) for word in ("-k", "--lf")):
            return Line("left out", what, "no test is selected")
        return Line("FAILED" if code else "passed", what, counts(result) or f"exit code {code}")


def counts(result: Path) -> str:
    """ "812 tests, 3 skipped, in 61 s", from pytest's own record."""
    if not result.exists():
        return ""
    suites = list(ET.parse(result).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it

    def total(name: str) -> int:
        return sum(int(one.get(name, "0")) for one in suites)

    seconds = sum(float(one.get("time", "0")) for one in suites)
    words = [f"{total('tests')} tests"]
    words += [
        f"{total(name)} {label}"
        for name, label in (("failures", "failed"), ("errors", "broke"), ("skipped", "skipped"))
        if total(name)
    ]
    return f"{', '.join(words)}, in {seconds:.0f} s"


def postgresql_problem() -> str | None:
    """Why PostgreSQL cannot be used; None when it answers."""
    try:
        with psycopg.connect(
            DATABASE_URL.replace("postgres://", "postgresql://"), connect_timeout=3
        ):
            return None
    except psycopg.Error as error:
        first = (str(error).strip().splitlines() or ["no reason was given"])[0]
        return f"TEST_DATABASE_URL does not answer ({first})"


def redis_problem() -> str | None:
    """Why Redis cannot be used; None when it answers."""
    address = urlsplit(BROKER_URL)
    try:
        with socket.create_connection((address.hostname or "", address.port or 6379), 3) as server:
            server.sendall(b"PING\r\n")
            answer = server.recv(100)
    except OSError as error:
        return f"TEST_BROKER_URL does not answer ({error})"
    if answer.startswith((b"+PONG", b"-NOAUTH")):
        return None
    return f"TEST_BROKER_URL is not a Redis server ({answer[:40]!r})"


def find_chromium() -> str | None:
    names = (os.environ.get("CHROMIUM_PATH", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
