"""Seconds to the first committed unit, against a process that imports, loads and segments an image.

python -m benchmarks.start [--json] [--ray]

Wall time from the start of each process: `vrp label` to the first part on disk, the other to its
first line. The unit holds one image. So small a job needs no Ray; with --ray it gets one.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.parts.figure import Figure, tell

REPEATS = 3
LOOK_S = 0.01
WRITE = """
import sys
from pathlib import Path
from benchmarks.label import small_job, write_shards
folder = Path(sys.argv[1])
write_shards(folder, 4)
(folder / "job.yaml").write_text(small_job(folder).model_dump_json())
"""
BARE = """
import sys
from pathlib import Path
from benchmarks.label import bare_loop, small_job
from pipeline.label.check import check
bare_loop(check(small_job(Path(sys.argv[1]))), Path(sys.argv[1]))
print("segmented", flush=True)
"""


def first_part_s(folder: Path, address: str) -> float:
    """Return the wall seconds from the start of `vrp label` to its first part."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "jobs.main", "label", str(folder / "job.yaml")]
    quiet = subprocess.DEVNULL
    environment = os.environ | {"RAY_ADDRESS": address}
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment) as process:  # noqa: S603
        while not any(folder.glob("labels/labels/*.parquet")):
            assert process.poll() is None, "the process ended without a part"
            time.sleep(LOOK_S)
        elapsed = time.perf_counter() - start
        assert process.wait() == 0
    return elapsed


def bare_s(folder: Path) -> float:
    """Return the wall seconds to the first line of a process without a pipeline."""
    start = time.perf_counter()
    command = [sys.executable, "-c", BARE, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - start
        process.communicate()
    assert line, "the process ended without a line"
    return elapsed


if __name__ == "__main__":
    with_ray = "--ray" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--ray"]
    pairs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run([sys.executable, "-c", WRITE, name], check=True)  # noqa: S603 - ours
            pairs.append((first_part_s(folder, "local" if with_ray else ""), bare_s(folder)))
    ours, bare = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    about = f"vrp label, four images{', with Ray' * with_ray} / a bare process; nano networks"
    tell(Figure("start", ours, bare, "s", ratio, 1.5, "at most", about), __doc__)
