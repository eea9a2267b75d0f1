"""What this process has needed: memory at most, and time of the processors."""

import resource
import sys
import time
from pathlib import Path


def peak_megabytes() -> float:
    """Since the program began, in 10^6 bytes; Linux counts from its start, not its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def cpu_seconds() -> float:
    """What this process has used of the processors so far, in all of its threads."""
    return time.process_time()
