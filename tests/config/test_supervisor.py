"""Programs are restarted when they die, end together, and outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A supervisor of its own process: signals and death are real. Its child writes its id and sleeps.
SCRIPT = """
import sys
from pathlib import Path
from config.supervisor import Program, Stopping, Supervisor
child = Program("child", (sys.executable, "-c", Path(sys.argv[1]).read_text(), sys.argv[2]))
try:
    with Supervisor(lambda text: print(text, flush=True), grace=float(sys.argv[3])) as supervisor:
        supervisor.start(child)
        supervisor.wait(lambda: False)
except Stopping:
    print("stopped", flush=True)
"""
SLEEPS = """
import os, sys, time
with open(sys.argv[1], "a") as file: file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPS


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def is_alive(pid: int) -> bool:
    """A zombie that nobody has asked for yet is dead."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


class Supervised:
    """A supervisor with one child, and the ids that the child has had."""

    def __init__(self, folder: Path, program: str, *, grace: float = 5) -> None:
        (folder / "child.py").write_text(program)
        self.file = folder / "pids"
        self.file.touch()
        command = [sys.executable, "-c", SCRIPT, str(folder / "child.py"), str(self.file)]
        self.process = subprocess.Popen(
            [*command, str(grace)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert wait_for(lambda: len(self.children()) == 1)

    def children(self) -> list[int]:
        return [int(line) for line in self.file.read_text().split()]

    def end(self) -> str:
        """Everything that it said, once it has ended."""
        output, _errors = self.process.communicate(timeout=120)
        return output


def test_a_program_that_dies_is_started_again(tmp_path: Path):
    running = Supervised(tmp_path, SLEEPS)

    os.kill(running.children()[0], signal.SIGKILL)

    assert wait_for(lambda: len(running.children()) == 2)
    running.process.terminate()
    assert "child ended (signal 9); it is started again in 1 s." in running.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_supervisor_and_its_programs(tmp_path: Path, number: int):
    running = Supervised(tmp_path, SLEEPS)

    running.process.send_signal(number)

    assert "stopped" in running.end()
    assert running.process.returncode == 0
    assert not is_alive(running.children()[0])


def test_a_program_that_does_not_end_in_time_is_killed(tmp_path: Path):
    running = Supervised(tmp_path, STUBBORN, grace=0.5)
    began = time.monotonic()

    running.process.terminate()
    running.end()

    assert 0.4 < time.monotonic() - began < 60
    assert not is_alive(running.children()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of this death")
def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path):
    running = Supervised(tmp_path, SLEEPS)

    running.process.kill()
    running.end()

    assert wait_for(lambda: not is_alive(running.children()[0]))
