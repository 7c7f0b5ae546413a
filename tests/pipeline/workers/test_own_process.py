"""A small job's own process: the bytes that any worker makes, and an end that is told."""

import errno
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from pipeline.label.check import check
from pipeline.label.run import label
from pipeline.workers.own_process import OwnProcess, ProcessDied
from schemas.errors import BadStorage
from schemas.record.receipt import Receipt
from tests.made.cluster import poison
from tests.made.cluster.processes import title
from tests.made.jobs.here import label_here
from tests.made.jobs.labelling import four_references, job_of
from tests.made.pixels.photos import photo

ROOT = Path(__file__).parents[3]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    (folder / "text.jpg").write_text("no image")
    return folder


def job_to(folder: Path, output: str):
    references = four_references(folder)
    return job_of({"type": "images", "uris": str(folder / "photos")}, output, references)


@pytest.fixture
def one_core() -> Iterator[None]:
    """Let this process compute on one core, as the other does: some convolutions sum by cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_core")
def test_its_labels_are_those_of_any_worker_byte_for_byte(photos: Path) -> None:
    folder = photos.parent
    job = job_to(folder, str(folder / "alone"))
    receipts: list[Receipt] = []
    with closing(OwnProcess(1)) as alone:
        commit = label(check(job), receipts.append, alone.label)
    assert commit.counts.images == 5
    assert commit.counts.rejected == 1
    assert sum(receipt.part.images for receipt in receipts) == 5
    here, _ = label_here(job_to(folder, str(folder / "here")))
    assert here is not None
    assert here.parts == commit.parts  # their sha256 among them
    assert check(job).done


def test_an_image_that_kills_it_ends_it_and_not_the_command(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos.parent
    (photos / "3.jpg").write_bytes(photo(3) + poison.KILLS)  # of the second unit
    monkeypatch.setenv("PYTHONPATH", poison.python_path(folder))
    job = job_to(folder, str(folder / "out"))
    receipts: list[Receipt] = []
    with closing(OwnProcess(1)) as alone, pytest.raises(ProcessDied, match="-9"):
        label(check(job), receipts.append, alone.label)
    assert [receipt.part.images for receipt in receipts] == [3]
    ((shard, _),) = check(job).unfinished
    assert "3.jpg" in {image_id for image_id, _ in shard.images}


def test_what_the_command_has_no_use_for_ends_at_once() -> None:
    with closing(OwnProcess(1)) as alone:
        process = alone._process
    assert process.exitcode is not None


def test_wrong_input_that_a_worker_finds_is_the_commands(photos: Path) -> None:
    folder = photos.parent
    checked = check(job_to(folder, str(folder / "out")))
    (folder / "out").write_text("a file where the labels belong")
    with closing(OwnProcess(1)) as alone, pytest.raises(BadStorage):
        label(checked, lambda _: None, alone.label)


def test_a_storage_that_fails_is_the_commands_error_and_no_death(photos: Path) -> None:
    folder = photos.parent
    checked = check(job_to(folder, str(folder / "out")))
    with closing(OwnProcess(1)) as alone:
        pid = alone._process.pid
        assert pid is not None
        # Longer files fail, as on a full disk: its labels, and not what it begins a unit with.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(OSError, match="too large") as failed:
            label(checked, lambda _: None, alone.label)
    assert failed.value.errno == errno.EFBIG
    assert f"{folder}/out/labels/" in str(failed.value)


def test_it_ends_with_a_command_that_was_killed() -> None:
    command = (
        "import os, sys\n"
        "from pipeline.workers.own_process import OwnProcess\n"
        "if __name__ == '__main__':\n"
        "    print(OwnProcess(1)._process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == -9
    pid = int(ran.stdout)
    deadline = time.monotonic() + 60
    while "spawn_main" in title(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)
