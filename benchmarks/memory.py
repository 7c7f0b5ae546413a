"""Peak memory of a labeling driver over 20,000 images, against 2,000; the model is a sleep of none.

python -m benchmarks.memory [--json]

Images of 64 x 64 in one tar; each run is a process of its own, and only the driver's peak counts.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.parts.figure import Figure, tell


def drive(folder: Path, images: int) -> float:
    """Label images in this process; return its peak in MiB."""
    # Here, so that the process that only compares stays small.
    from benchmarks.pace import label_small  # noqa: PLC0415

    label_small(folder, images)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_mib(images: int) -> float:
    """Return the peak of a driver that labels so many images."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.memory import drive; "
        "print(drive(Path(sys.argv[1]), int(sys.argv[2])))"
    )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", code, folder, str(images)]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    return float(ran.stdout.split()[-1])


if __name__ == "__main__":
    many, few = peak_mib(20_000), peak_mib(2_000)
    about = "the driver's peak memory, 20,000 images / 2,000; no network"
    tell(Figure("memory", many, few, "MiB", many / few, 1.1, "at most", about), __doc__)
