"""Peak memory of an export to COCO of a million rows, against 100,000.

python -m benchmarks.export [--json]

Each in a process of its own that only exports.
"""

import subprocess
import sys
import tempfile

from benchmarks.many_units import commit_units
from benchmarks.parts.figure import Figure, tell

EXPORT = """
import resource, sys
from pipeline.export.coco import export_coco
from schemas.job.storage import Storage
export_coco(sys.argv[1], Storage(), sys.argv[1] + "/coco.json")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
ROWS_PER_UNIT = 256 * 3


def peak_mib(rows: int) -> float:
    """Return the peak of a process that exports so many rows."""
    with tempfile.TemporaryDirectory() as folder:
        commit_units(folder, rows // ROWS_PER_UNIT)
        command = [sys.executable, "-c", EXPORT, folder]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return float(ran.stdout)


if __name__ == "__main__":
    many, few = peak_mib(1_000_000), peak_mib(100_000)
    about = "peak memory of a COCO export, 1,000,000 rows / 100,000; no network"
    tell(Figure("export", many, few, "MiB", many / few, 1.1, "at most", about), __doc__)
