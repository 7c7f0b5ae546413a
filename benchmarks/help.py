"""`vrp --help` against a Python that does nothing, in CPU seconds of the processes.

python -m benchmarks.help [--json]
"""

import resource
import statistics
import subprocess
import sys

from benchmarks.parts.figure import Figure, tell

REPEATS = 7


def seconds(*arguments: str) -> float:
    """Return the CPU seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    pairs = [(seconds("-m", "jobs.main", "--help"), seconds("-c", "pass")) for _ in range(REPEATS)]
    ours, nothing = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(ours / nothing for ours, nothing in pairs)
    about = "vrp --help / python -c pass, no network"
    tell(Figure("help", ours, nothing, "s", ratio, 15, "at most", about), __doc__)
