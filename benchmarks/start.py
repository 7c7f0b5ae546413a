"""Seconds to the first committed unit, against a process that imports, loads and segments an image.

python -m benchmarks.start [--json]

Wall time from the start of each process to its first line; the unit holds one image. Ray is
started by ours.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.parts.figure import Figure, tell

REPEATS = 2
OURS = """
import sys
from pathlib import Path
from benchmarks.label import pipeline, small_job
from pipeline.label.check import check
pipeline(check(small_job(Path(sys.argv[1]))), told=lambda: print("committed", flush=True))
"""
BARE = """
import sys
from pathlib import Path
from benchmarks.label import bare_loop, small_job
from pipeline.label.check import check
bare_loop(check(small_job(Path(sys.argv[1]))), Path(sys.argv[1]))
print("segmented", flush=True)
"""


def seconds(code: str, folder: Path) -> float:
    """Return the wall seconds to a process's first line."""
    start = time.perf_counter()
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - start
        process.communicate()
    assert line, "the process ended without a line"
    return elapsed


if __name__ == "__main__":
    pairs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run(  # noqa: S603 - ours
                [
                    sys.executable,
                    "-c",
                    "import sys; from pathlib import Path; from benchmarks.label import "
                    "write_shards; write_shards(Path(sys.argv[1]), 4)",
                    name,
                ],
                check=True,
            )
            pairs.append((seconds(OURS, folder), seconds(BARE, folder)))
    ours, bare = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    about = "four images labelled and committed, Ray included / a bare process; nano networks"
    tell(Figure("start", ours, bare, "s", ratio, 1.5, "at most", about), __doc__)
