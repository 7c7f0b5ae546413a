"""`vrp label` once it runs, against a bare loop of the same model over the same images.

OMP_NUM_THREADS=1 python -m benchmarks.overhead [--json]

Wall time: the pipeline's processes are several. One actor with one core, one decoding thread.
"""

import os
import tempfile
from pathlib import Path

from benchmarks.label import UNIT, bare_loop, pipeline, small_job, write_shards
from benchmarks.parts.figure import Figure, one_thread, tell
from pipeline.label.check import check

IMAGES = 512

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    one_thread()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, IMAGES)
        checked = check(small_job(folder))
        bare = IMAGES / bare_loop(checked, folder)
        first_s, all_s = pipeline(checked)
    steady = (IMAGES - UNIT) / (all_s - first_s)
    about = (
        "vrp label after its first unit / a bare loop, one thread each; nano networks, 640 x 480"
    )
    tell(
        Figure("overhead", steady, bare, "images/s", steady / bare, 0.95, "at least", about),
        __doc__,
    )
