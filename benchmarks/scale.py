"""Two actors of one core each, against one.

OMP_NUM_THREADS=1 python -m benchmarks.scale [--json]

Wall time, from the first committed unit to the last. Driver and reader share the two cores.
"""

import os
import tempfile
from pathlib import Path

from benchmarks.label import UNIT, pipeline, small_job, write_shards
from benchmarks.parts.figure import Figure, tell
from pipeline.label.check import check

IMAGES = 768


def pace(actors: int) -> float:
    """Return the images a second of a pool once it runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, IMAGES)
        # Beside two actors the reader wants its share, and Ray counts only what it is told of.
        first_s, all_s = pipeline(check(small_job(folder, actors)), cpus=3)
    return (IMAGES - UNIT) / (all_s - first_s)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    one, two = pace(1), pace(2)
    about = "two actors / one, one core each; nano networks, 640 x 480"
    tell(Figure("scale", two, one, "images/s", two / one, 1.9, "at least", about), __doc__)
