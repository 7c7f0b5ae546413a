"""When `vrp label` does without Ray, and that it goes on with Ray where it has to."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cluster import alone
from jobs.cluster.alone import begin_alone, is_small
from pipeline.workers.own_process import OwnProcess
from schemas.job.compute import Actors, Compute
from schemas.record.commit import Shard
from tests.made.cluster import poison
from tests.made.jobs.commands import photo_folder, write_job
from tests.made.pixels.photos import photo

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.1:6379"])
def test_an_address_of_ray_asks_for_ray(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert isinstance(begin_alone(Compute()), nullcontext)


@pytest.mark.parametrize(
    "compute",
    [
        Compute(actors=Actors(min=2)),
        Compute(actors=Actors(max=2)),
        Compute(gpus_per_actor=0.5),
        Compute(cpus_per_actor=1000),
    ],
)
def test_more_than_one_worker_of_this_machine_asks_for_ray(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS")
    assert isinstance(begin_alone(compute), nullcontext)


def test_a_gpu_asks_for_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr(alone, "OF_GPUS", (tmp_path,))
    assert isinstance(begin_alone(Compute()), nullcontext)
    monkeypatch.setattr(alone, "OF_GPUS", ())
    with begin_alone(Compute()) as begun:
        assert isinstance(begun, OwnProcess)


def test_a_job_is_small_by_images_where_they_are_listed_and_by_bytes_where_not() -> None:
    def shard(images: int, size_bytes: int) -> Shard:
        listed = tuple((f"{n}", f"{n}.jpg") for n in range(images))
        kind = "images" if images else "tar"
        return Shard(
            id="a", kind=kind, name="a", uri="a", size_bytes=size_bytes, images=listed,
            images_per_unit=8,
        )  # fmt: skip

    none = frozenset[int]()
    assert is_small([(shard(200, 0), none), (shard(0, 2**20), none)])
    assert not is_small([(shard(200, 0), none), (shard(100, 0), none)])
    assert not is_small([(shard(0, 2**27), none)])


@pytest.mark.cluster
def test_ray_goes_on_where_an_image_kills_the_process_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = photo_folder(tmp_path)
    (folder / "photos" / "1.jpg").write_bytes(photo(1) + poison.KILLS)
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment["PYTHONPATH"] = poison.python_path(folder)
    command = [sys.executable, "-m", "jobs.main", "label", write_job(folder)]
    ran = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "died (exit code -9)" in ran.stdout
    (rejected,) = (folder / "out" / "rejected").iterdir()
    rows = pq.read_table(rejected).to_pylist()
    assert [(row["image_id"], row["reason"]) for row in rows] == [("1.jpg", "crash")]
    (labels,) = (folder / "out" / "labels").iterdir()
    assert {row["image_id"] for row in pq.read_table(labels).to_pylist()} == {"0.jpg"}
    assert "1.jpg: crash: " in ran.stdout
