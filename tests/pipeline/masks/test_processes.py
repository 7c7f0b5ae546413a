"""A function called by processes of their own: the same results, whatever becomes of these."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import parent_process
from pathlib import Path

import numpy as np
import pytest

from pipeline.masks.processes import Processes
from schemas.errors import ImageRejected

ROOT = Path(__file__).parents[3]


def work(text: str) -> tuple[str, int]:
    if text == "reject":
        raise ImageRejected("model", "as asked")
    if text == "die" and parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "see nothing" and parent_process() is not None:
        raise PermissionError("/proc/1/fd/3")
    return text, os.getpid()


def test_another_process_calls_the_function_and_its_errors_arrive() -> None:
    processes = Processes(work, 2)
    text, pid = processes("a mask")
    assert text == "a mask"
    assert pid != os.getpid()
    with pytest.raises(ImageRejected, match="as asked"):
        processes("reject")


@pytest.mark.parametrize("end", ["die", "see nothing"])
def test_where_a_process_is_killed_or_sees_nothing_the_work_is_done_here(end: str) -> None:
    processes = Processes(work, 1)
    assert processes(end) == (end, os.getpid())
    assert processes("a mask") == ("a mask", os.getpid())


OWNER = """
import os
from pipeline.masks.processes import Processes

if __name__ == "__main__":
    print(Processes(os.getppid, 1)(), flush=True)
    print(Processes(os.getpid, 1)(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_processes_end_with_the_one_that_asks_however_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as owner:
        assert owner.stdout is not None
        asker, process = map(int, (owner.stdout.readline(), owner.stdout.readline()))
        assert asker == owner.pid
    assert owner.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline, "it outlived its owner"
        time.sleep(0.05)


def total(arrays: list[np.ndarray], factor: float) -> tuple[float, list[np.ndarray]]:
    for array in arrays:
        np.multiply(array, factor, out=array)  # of its own: the asker's stay
    return float(sum(array.sum() for array in arrays)), arrays


def test_arrays_travel_whatever_their_layout_and_stay_as_they_are() -> None:
    processes = Processes(total, 1)
    for size in (4, 200, 3):  # memory is made, made anew, and used again
        arrays = [np.full((size, size), 2.0), np.arange(size * 6.0).reshape(size, 6)[:, ::2]]
        arrays.append(np.zeros((0, 3)))
        expected = [array * 3 for array in arrays]
        found, got = processes(arrays, 3.0)
        assert found == sum(array.sum() for array in expected)
        assert arrays[0][0, 0] == 2.0
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
