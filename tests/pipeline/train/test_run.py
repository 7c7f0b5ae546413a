"""A fold under Ray Train on S3: killed twice, it ends as if nothing had happened."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
import yaml
from typer.testing import CliRunner

from jobs.main import app, main
from pipeline.storage.place import Place
from pipeline.train.metrics import read_metrics
from pipeline.train.state import STATE
from schemas.job.train import TrainJob
from tests.made.cluster.drivers import start
from tests.made.cluster.processes import descendants, send, title
from tests.made.data.training import a_job, losses, run, write_dataset
from tests.made.servers.fault_proxy import Faults, Moment, faulty
from tests.made.servers.s3 import Bucket

pytestmark = pytest.mark.cluster

ON_ITS_WAY_S = 200.0  # what takes 20 s on an idle machine


def train_here(job_file: str) -> None:
    """`vrp train` on a cluster without a dashboard, which would cost as much as the training."""
    ray.init(address="local", num_cpus=2, include_dashboard=False)
    main(["train", job_file])


def write_job(job: TrainJob, path: Path) -> None:
    document = job.model_dump(mode="json", exclude={"episodes": {"per_epoch"}, "storage": True})
    storage = job.storage
    if storage.key and storage.secret:
        document["storage"] = {
            "endpoint_url": storage.endpoint_url,
            "region": storage.region,
            "key": storage.key.get_secret_value(),
            "secret": storage.secret.get_secret_value(),
        }
    path.write_text(yaml.safe_dump(document))


class HeldUpload:
    """Holds the second checkpoint that comes after each `arm` on its way, and loses it in the end.

    What trains is then known to be at work, and one checkpoint of its own is on storage.
    """

    def __init__(self) -> None:
        self.arm()

    def arm(self) -> None:
        self._checkpoints = 0
        self._here, self._lost = threading.Event(), threading.Event()

    def __call__(self, method: str, path: str, body: bytes, moment: Moment) -> None:
        if method != "PUT" or not path.endswith(f"/{STATE}") or moment != "before":
            return
        self._checkpoints += 1
        if self._checkpoints == 2:
            self._here.set()
            self._lost.wait()
            raise ConnectionResetError("its sender was killed")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait until the checkpoint comes; lose it when the block ends."""
        came = self._here.wait(ON_ITS_WAY_S)
        try:
            assert came, f"no second checkpoint within {ON_ITS_WAY_S} s"
            yield
        finally:
            self._lost.set()


class Command:
    """A `vrp train` process, and all the processes of the cluster it started."""

    def __init__(self, job_file: Path) -> None:
        self._log = job_file.with_suffix(".log")
        self._process = start(train_here, job_file, self._log)
        assert self._process.pid is not None
        self._pid = self._process.pid

    def kill(self) -> None:
        """Kill the driver with -9; then its cluster, which would notice in its own time."""
        orphans = descendants(self._pid)
        self._process.kill()
        self._process.join()
        for pid in orphans:
            send(pid, signal.SIGKILL)

    def kill_a_worker(self) -> None:
        below = descendants(self._pid)
        worker = next(pid for pid in below if "RayTrainWorker" in title(pid))
        os.kill(worker, signal.SIGKILL)

    def ended(self) -> int | None:
        """Wait for its end; return the exit code."""
        self._process.join()
        return self._process.exitcode

    def finish(self) -> None:
        assert self.ended() == 0, self._log.read_text()[-8000:]


@pytest.mark.timeout(600)
def test_what_no_further_try_mends_ends_the_command_at_once(tmp_path: Path):
    write_dataset(tmp_path / "data")
    recipe = {"epochs": 3, "learning_rate": 1e30, "batch": 4, "episodes_per_epoch": 4}
    write_job(a_job(tmp_path, recipe=recipe), tmp_path / "job.yaml")
    command = Command(tmp_path / "job.yaml")
    assert command.ended() == 2
    said = (tmp_path / "job.log").read_text()
    assert "error: the loss is no longer finite" in said
    assert "Traceback" not in said.partition("error: ")[2]


@pytest.mark.timeout(900)
def test_a_killed_driver_and_a_killed_worker_leave_the_curve_as_it_was(
    tmp_path: Path, bucket: Bucket
):
    write_dataset(tmp_path / "data")
    changes = {
        "recipe": {"epochs": 2, "learning_rate": 1e-4, "batch": 4, "episodes_per_epoch": 12},
        "compute": {"precision": "fp32", "loader_threads": 1, "checkpoint_every_steps": 2},
        "selection": {"held_out": 0.3, "episodes": 4},
    }
    undisturbed = run(a_job(tmp_path, **changes))
    output = f"{bucket.uri}/trained"
    upload = HeldUpload()
    assert bucket.storage.endpoint_url is not None
    with faulty(bucket.storage.endpoint_url, Faults({}, 0, upload)) as endpoint:
        storage = bucket.storage.model_copy(update={"endpoint_url": endpoint})
        job = a_job(tmp_path, **changes, output={"uri": output}, storage=storage)
        write_job(job, tmp_path / "job.yaml")
        first = Command(tmp_path / "job.yaml")
        with upload.held():
            first.kill()
        upload.arm()
        second = Command(tmp_path / "job.yaml")
        with upload.held():
            second.kill_a_worker()
        second.finish()
        runner = CliRunner()
        again = runner.invoke(app, ["train", str(tmp_path / "job.yaml")], catch_exceptions=False)

    fold = Place.open(output, bucket.storage).below("fold-0")
    rows = read_metrics(fold)
    assert [row["step"] for row in rows] == list(range(6))
    assert [row["loss"] for row in rows] == pytest.approx(losses(undisturbed), abs=1e-5)
    assert "vrp.safetensors" in fold.files()

    assert "finished" in again.stdout
    assert "step" not in again.stdout.replace("steps", "").replace("kept step", "")
