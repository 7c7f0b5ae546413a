"""Real Ray nodes that join and leave: a labeling job follows them, two train as one would."""

import json
import logging
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.node import Node
from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue]  # compiled
from ray.cluster_utils import Cluster

from pipeline.label.check import check
from pipeline.label.run import label
from pipeline.monitoring.log import ID_CHARACTERS
from pipeline.monitoring.metrics import METERS
from pipeline.output.audit import audit
from pipeline.storage.place import Place
from pipeline.train.check import check as check_training
from pipeline.train.metrics import read_metrics
from pipeline.train.run import train
from pipeline.workers.pool import on_cluster
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from schemas.job.train import TrainProgress
from schemas.record.commit import Commit
from schemas.record.receipt import Receipt
from tests.crash.nodes import workers_of
from tests.made.cluster.gates import gated
from tests.made.data.training import a_job, losses, run, write_dataset
from tests.made.pixels.photos import photo, tar_of

pytestmark = pytest.mark.cluster

# Ray's workers have niceness 15 by default: beside other work they would hardly run.
SYSTEM = {"metrics_report_interval_ms": 1000, "worker_niceness": 0}
UNIT = 4  # images
FREE, WAITING = 6, 10  # units that nothing holds up, and that wait at the first gate
PREEMPTION = 2  # DRAIN_NODE_REASON_PREEMPTION of Ray's autoscaler.proto
NOTICE_S = 2  # AWS gives 120 s; here nothing is gained by waiting
STEP_S = 200.0  # for what takes 10 s on an idle machine


class Nodes:
    """A cluster whose head runs nothing; each node has room for one actor and its readers."""

    def __init__(self) -> None:
        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "gcs_server_port": 0,
            "_system_config": SYSTEM,
        }
        self.cluster = Cluster(initialize_head=True, head_node_args=head)

    def join(self) -> Node:
        """Start a node and wait until the cluster knows it."""
        return self.cluster.add_node(num_cpus=2)

    def leave(self, node: Node) -> None:
        """Reclaim a node as a cloud does: a notice with a deadline, then SIGTERM."""
        deadline_ms = int((time.time() + NOTICE_S) * 1000)
        accepted, why_not = GcsClient(address=self.cluster.address).drain_node(
            node.node_id,
            PREEMPTION,
            "a spot notice",
            deadline_ms,
        )
        assert accepted, why_not
        time.sleep(NOTICE_S)
        self.cluster.remove_node(node, allow_graceful=True)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    ray.init(
        address=nodes.cluster.address,
        logging_level=logging.WARNING,
        runtime_env={
            "env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])},
            "worker_process_setup_hook": "tests.made.cluster.gates.install",
        },
    )
    yield nodes
    ray.shutdown()
    nodes.cluster.shutdown()


def write_shards(folder: Path, later: Path, last: Path) -> None:
    """Write shards of one unit each; the last one waits alone, for the gate `last`."""
    folder.mkdir()
    gates = [None] * FREE + [later] * WAITING + [last]
    for number, gate in enumerate(gates):
        photos = {f"{number}-{i}.jpg": photo(10 * number + i) for i in range(UNIT)}
        if gate is not None:
            photos = {name: gated(data, gate) for name, data in photos.items()}
        (folder / f"{number:02d}.tar").write_bytes(tar_of(photos))


@contextmanager
def opened_in_the_end(*gates: Path) -> Iterator[None]:
    """Open the gates when the block fails too: else the job, and so the test, would never end."""
    try:
        yield
    finally:
        for gate in gates:
            gate.touch()


def a_labeling(folder: Path) -> LabelJob:
    (folder / "reference.jpg").write_bytes(photo(1000))
    reference = {
        "image": str(folder / "reference.jpg"),
        "annotation": {"type": "box", "xyxy": [3, 4, 30, 40]},
    }
    nano = {"type": "nano", "weights": "random:1"}
    return LabelJob.model_validate(
        {
            "targets": {"type": "webdataset", "shards": str(folder / "shards")},
            "references": [{"category": "cat", **reference}],
            "method": {"type": "vrp", "weights": "random:2", "sam": nano, "backbone": nano},
            "output": {"uri": str(folder / "out")},
            "allow_random_weights": True,
            "compute": {
                "images_per_unit": UNIT,
                "precision": "fp32",
                "actors": {"min": 1, "max": 2},
                "cpus_per_actor": 1.5,  # of a node's two
                "read_tasks": 1,
                "decode_threads": 1,
            },
        }
    )


def wait_until(job: Future[Commit], what: str, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STEP_S
    while not happened():
        assert not job.done(), f"the job ended before {what}: {job.exception() or job.result()}"
        assert time.monotonic() < deadline, f"waited {STEP_S} s until {what}"
        time.sleep(0.1)


def actors_on(*nodes: Node) -> int:
    return sum(len(workers_of(node, "SegmentUnits")) for node in nodes)


def log_name(node: Node) -> str:
    assert node.node_id is not None, "it has started"
    return node.node_id[:ID_CHARACTERS]


def log_lines() -> list[dict[str, Any]]:
    context = ray.get_runtime_context()
    folder = Path(context.get_temp_dir()) / context.get_session_name() / "logs"
    files = folder.glob("vrp-*.log")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def metrics_of(node: Node) -> dict[str, float]:
    """Return our metrics at a node's Prometheus endpoint, without their labels, summed."""
    (port,) = [n["MetricsExportPort"] for n in ray.nodes() if n["NodeID"] == node.node_id]
    with urllib.request.urlopen(f"http://{node.node_ip_address}:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        if line.startswith("ray_vrp_"):
            name, value = line.partition("{")[0], float(line.rpartition(" ")[2])
            found[name] = found.get(name, 0.0) + value
    return found


@pytest.mark.timeout(600)
def test_a_job_follows_nodes_that_join_and_leave_and_loses_nothing(
    nodes: Nodes, tmp_path: Path
) -> None:
    later, last = tmp_path / "later", tmp_path / "last"
    write_shards(tmp_path / "shards", later, last)
    job = a_labeling(tmp_path)
    checked = check(job)
    receipts: list[Receipt] = []
    units = FREE + WAITING + 1
    first = nodes.join()
    with ThreadPoolExecutor(1) as thread, opened_in_the_end(later, last):
        labeling = thread.submit(label, checked, receipts.append, on_cluster)
        wait_until(labeling, "the first unit", lambda: bool(receipts))
        second = nodes.join()
        wait_until(labeling, "the pool grew", lambda: actors_on(first, second) == 2)
        at_work = tmp_path / "out" / "attempts"
        wait_until(labeling, "both work", lambda: len(list(at_work.glob("*.json"))) == 2)
        later.touch()
        # One actor holds the last unit; the other has nothing to do and goes.
        wait_until(labeling, "all but one are done", lambda: len(receipts) == units - 1)
        wait_until(labeling, "the last is begun", lambda: len(list(at_work.glob("*.json"))) == 1)
        wait_until(labeling, "the pool shrank", lambda: actors_on(first, second) == 1)
        leaves, stays = (first, second) if actors_on(first) else (second, first)
        nodes.leave(leaves)
        wait_until(labeling, "the unit was taken over", lambda: actors_on(stays) == 1)
        last.touch()
        commit = labeling.result(STEP_S)

    assert (commit.counts.images, commit.counts.rejected) == (units * UNIT, 0)
    assert list(audit(checked.output)) == []
    assert len({receipt.part.path for receipt in receipts}) == len(receipts) == units
    check_told(leaves, stays, commit)


def check_told(leaves: Node, stays: Node, commit: Commit) -> None:
    """Check what logs and metrics say of the job that the nodes worked at."""
    lines = [line for line in log_lines() if line["event"] == "unit"]
    assert {line["unit"] for line in lines} == {Path(part.path).stem for part in commit.parts}
    nodes_of = {line["node"] for line in lines}
    assert nodes_of == {log_name(node) for node in (leaves, stays)}
    (again,) = [line for line in lines if line["again"]]  # the unit that was abandoned
    assert again["node"] == log_name(stays)
    known = {name for meter in METERS for name in meter.exported} | {"ray_vrp_unit_seconds_sum"}
    found = metrics_of(stays)
    assert found["ray_vrp_units_total"] > 0
    assert found["ray_vrp_images_total"] == UNIT * found["ray_vrp_units_total"]
    assert found.keys() <= known


@pytest.mark.timeout(600)
def test_workers_on_two_nodes_train_as_one_worker_does(nodes: Nodes, tmp_path: Path) -> None:
    while ray.cluster_resources().get("CPU", 0) < 4:  # two nodes' worth
        nodes.join()
    write_dataset(tmp_path / "data")
    alone = run(a_job(tmp_path))
    two = {
        "precision": "fp32",
        "loader_threads": 1,
        "workers": {"min": 2, "max": 2},
        "cpus_per_worker": 1.5,  # of a node's two: one worker a node
    }
    told: list[TrainProgress] = []
    train(check_training(a_job(tmp_path, compute=two), [0]), told.append)
    rows = read_metrics(Place.open(str(tmp_path / "out" / "fold-0"), Storage()))
    assert [row["loss"] for row in rows] == pytest.approx(losses(alone), abs=1e-5)
    assert {row["workers"] for row in rows} == {2}
