"""`make hostile`: generated hostile answers through whole syncs, and what they did (G-10).

    make hostile ARGS="--answers 500 --seed 7 --vendor aha"

Uses a database of its own: SQLite, or beside the one that DATABASE_URL names. Ends with 1 when an
answer crashed a sync, removed somebody, or left something that the next healthy sync did not mend.
"""

from __future__ import annotations

import argparse
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
os.environ.setdefault("TEST_DB_SUFFIX", "hostile")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first
from django.test.runner import DiscoverRunner  # noqa: E402
from django.test.utils import override_settings  # noqa: E402

from benchmarks.process import peak_megabytes  # noqa: E402
from integrations.registry import vendors  # noqa: E402
from integrations.sandbox.server import Sandbox  # noqa: E402
from tests.integrations.bad_input.attack import Damage, attack  # noqa: E402
from tests.integrations.bad_input.world import mend, open_world  # noqa: E402

PEOPLE = 30
NO_LIMIT = {"per_minute": None, "per_second": None}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=500, help="for each vendor")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vendor", choices=sorted(vendors()), action="append")
    options = parser.parse_args()
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        harm = [
            show(vendor, meet(vendor, answers=options.answers, seed=options.seed))
            for vendor in options.vendor or sorted(vendors())
        ]
    finally:
        runner.teardown_databases(databases)
    print(f"peak memory {peak_megabytes():,.0f} MB, sandbox and generator included")
    sys.exit(any(harm))


def meet(vendor: str, *, answers: int, seed: int) -> Damage:
    """One vendor's answers, in a small company that was synced once."""
    call_command("flush", interactive=False, verbosity=0)
    with Sandbox(people=PEOPLE, seed=1, settings={vendor: NO_LIMIT}) as sandbox:
        listed = [sandbox.url.removeprefix("http://")]
        with override_settings(EGRESS_EXTRA_HOSTS=listed, EGRESS_ALLOW_HTTP=True):
            world = open_world(vendor, sandbox)
            mend(world)
            world.sync()
            return attack(world, answers=answers, seed=seed)


def show(vendor: str, damage: Damage) -> bool:
    """Print what happened; whether there was harm."""
    harm = {
        "crashed a sync": damage.unhandled,
        "removed somebody": damage.removals,
        "not mended by the next sync": damage.not_mended,
        "failed without a message": damage.speechless,
    }
    states = ", ".join(f"{number} {state}" for state, number in damage.states.most_common())
    codes = ", ".join(f"{number} {code}" for code, number in damage.codes.most_common() if code)
    print(f"{vendor}: {damage.answers} hostile answers in {damage.seconds:.0f} s, each followed by")
    print(f"  a healthy sync; the slowest took {damage.slowest:.1f} s; {states} ({codes})")
    for what, names in harm.items():
        print(f"  {what}: {len(names)}{': ' if names else ''}{'; '.join(names[:20])}")
    return any(harm.values())


if __name__ == "__main__":
    main()
