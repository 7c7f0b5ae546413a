"""A fold under Ray Train on S3: killed twice, it ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from jobs.main import app
from pipeline.storage import open_filesystem
from pipeline.train_metrics import read_metrics
from schemas.train import TrainJob
from tests.pipeline.test_train_loop import losses, run
from tests.pipeline.train_made import a_job, write_dataset
from tests.s3 import Bucket

pytestmark = pytest.mark.cluster

# `vrp train` on a cluster without a dashboard, which would cost as much as the training here.
COMMAND = """
import ray, typer
from jobs.train import train
ray.init(address="local", num_cpus=2, include_dashboard=False)
typer.run(train)
"""


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


class Command:
    """A `vrp train` process, and all the processes of the cluster it started."""

    def __init__(self, job_file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", COMMAND, str(job_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._log: list[str] = []

    def wait_for(self, text: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line)
            if text in line:
                return
        raise AssertionError("".join(self._log[-40:]))

    def kill(self) -> None:
        """Kill the driver with -9; then its cluster, which would notice in its own time."""
        orphans = _descendants(self._process.pid)
        self._process.kill()
        self._process.wait()
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_a_worker(self) -> None:
        # Ray names its processes after their class.
        below = _descendants(self._process.pid)
        workers = [pid for pid, command in below.items() if "RayTrainWorker" in command]
        os.kill(workers[0], signal.SIGKILL)

    def finish(self) -> None:
        output, _ = self._process.communicate()
        assert self._process.returncode == 0, "".join(self._log[-20:]) + output[-4000:]


def _descendants(root: int) -> dict[int, str]:
    """Return the commands of a process's children, their children and so on, by process id."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    found: dict[int, str] = {}
    for line in listed.stdout.splitlines():  # parents have, as a rule, the smaller numbers
        pid, parent, command = line.split(maxsplit=2)
        if int(parent) == root or int(parent) in found:
            found[int(pid)] = command
    return found


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
    job = a_job(tmp_path, **changes, output={"uri": output}, storage=bucket.storage)
    write_job(job, tmp_path / "job.yaml")

    first = Command(tmp_path / "job.yaml")
    first.wait_for("fold 0 step 2/6")
    first.kill()
    second = Command(tmp_path / "job.yaml")
    second.wait_for("fold 0 step")
    second.kill_a_worker()
    second.finish()

    fs, path = open_filesystem(output, bucket.storage)
    rows = read_metrics(fs, f"{path}/fold-0")
    assert [row["step"] for row in rows] == list(range(6))
    assert [row["loss"] for row in rows] == pytest.approx(losses(undisturbed), abs=1e-5)
    assert fs.exists(f"{path}/fold-0/vrp.safetensors")

    again = CliRunner().invoke(app, ["train", str(tmp_path / "job.yaml")], catch_exceptions=False)
    assert "finished" in again.stdout
    assert "step" not in again.stdout.replace("steps", "").replace("kept step", "")
