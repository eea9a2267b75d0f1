"""Kill a sync at every vendor request and every commit; what it leaves must be as if undisturbed.

A sync over three pages creates, updates, reactivates and removes. Each trial begins with a fresh
copy of the same database, disturbs the worker process at one point, lets another process take the
run up, and compares every row with those that an undisturbed run leaves. The lease of the dead
process is made older instead of waited for, except where the recovery is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trials.killing.place import Place, environment, prepare_django
from trials.report import Promise, finish, make_parser

TITLE = "Syncs that are killed (F-01 F-02 F-05 F-07 F-08 F-12)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials on each database in a process of its own, side by side."""
    options = _parser().parse_args(arguments)
    if options.database == "both":
        return finish(TITLE, _both(options), as_json=options.json)
    with tempfile.TemporaryDirectory(prefix="rolecall-kills-") as folder:
        promises = _on(options.database, Path(folder), options)
    return finish(f"{TITLE}, {options.database}", promises, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=int, default=200, help="on each database")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--at-a-time", type=int, default=6, help="trials side by side")
    parser.add_argument(
        "--sabotage", action="store_true", help="spoil what three runs leave: it must be found"
    )
    return parser


def _both(options: argparse.Namespace) -> list[Promise]:
    flags = [f"--trials={options.trials}", f"--at-a-time={max(2, options.at_a_time // 2)}"]
    flags += ["--short"] if options.short else []
    flags += ["--sabotage"] if options.sabotage else []
    children = {
        engine: subprocess.Popen(
            [sys.executable, "-m", "trials.kills", "--json", f"--database={engine}", *flags],
            stdout=subprocess.PIPE,
        )
        for engine in ("sqlite", "postgresql")
    }
    promises = []
    for engine, child in children.items():
        output, _nothing = child.communicate()
        lines = output.splitlines()
        told: dict[str, Any] = json.loads(lines[-1]) if lines else {"promises": []}
        promises += [
            Promise(f"{engine}: {one['name']}", one["tried"], one["broken"], one["figures"])
            for one in told["promises"]
        ] or [Promise(f"{engine}: the trials ended", 0)]
    return promises


def _on(engine: str, folder: Path, options: argparse.Namespace) -> list[Promise]:
    (folder / "data").mkdir()
    prepare_django(engine, folder)
    from trials.killing.matrix import plan_trials, run_trials, sum_up
    from trials.killing.stage import Stage
    from trials.killing.wires import Wires
    from trials.killing.workers import Zygote
    from trials.killing.world import make_company, make_sandbox

    place = Place(engine, folder)
    with make_sandbox() as sandbox, Wires() as wires:
        try:
            place.make_template()
            company = make_company(sandbox)
            place.close_template()
            with Zygote(environment(engine, folder, place.template), folder) as zygote:
                stage = Stage(place, company, zygote, wires, sabotage=options.sabotage)
                trials = plan_trials(stage, wanted=options.trials, short=options.short)
                outcomes = run_trials(trials, at_a_time=options.at_a_time)
        finally:
            place.drop(place.template)
    return sum_up(outcomes)


if __name__ == "__main__":
    sys.exit(main())
