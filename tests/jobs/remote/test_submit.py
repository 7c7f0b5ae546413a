"""Jobs on a real cluster that starts from a head alone: submitted, followed, cancelled, refused."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jobs.cluster.head import cluster_of
from pipeline.output.commit import read_commit
from pipeline.storage.place import Place
from schemas.errors import BadInput
from tests.made.cluster.ray_head import Head, serve_head
from tests.made.jobs.commands import run
from tests.made.pixels.photos import photo, tar_of
from tests.made.servers.s3 import KEY, SECRET, Bucket

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

IMAGES = 8
NODE_S = 240.0  # a driver's imports and a node's start, on a busy machine


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with serve_head() as found:
        yield found


@pytest.fixture(autouse=True)
def as_user(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", head.address)


@pytest.fixture
def job_file(bucket: Bucket, tmp_path: Path) -> Path:
    """A job whose targets are on S3 and whose reference is beside it."""
    bucket.put("shards/0.tar", tar_of({f"{i}.jpg": photo(i) for i in range(IMAGES)}))
    (tmp_path / "ref.jpg").write_bytes(photo(1000))
    nano = {"type": "nano", "weights": "random:1"}
    box = {"type": "box", "xyxy": [1, 2, 30, 40]}
    document = {
        "targets": {"type": "webdataset", "shards": f"{bucket.uri}/shards/0.tar"},
        "references": [{"category": "cat", "image": "ref.jpg", "annotation": box}],
        "method": {"type": "vrp", "weights": "random:2", "sam": nano, "backbone": nano},
        "output": {"uri": f"{bucket.uri}/labels"},
        "allow_random_weights": True,
        # auto would take the GPUs that the cluster may grow to.
        "compute": {"images_per_unit": 4, "precision": "fp32", "gpus_per_actor": 0},
        "storage": {
            "endpoint_url": bucket.storage.endpoint_url,
            "region": "us-east-1",
            "key": KEY,
            "secret": SECRET,
        },
    }
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_submitted_job_labels_what_the_same_file_would_label_here(
    head: Head, job_file: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "submit", "label", str(job_file), "--send-secrets", "--json", "-f")
    assert code == 0, out + err
    assert "waiting for the cluster to grow: 1.25 CPUs wanted, 0 there" in err
    assert {"CPU": 8.0} in [
        {k: v for k, v in node.items() if k in {"CPU", "GPU"}} for node in head.nodes()
    ]
    ended = json.loads(out.splitlines()[-1])
    submission = ended["id"]
    assert (ended["status"], ended["exit_code"]) == ("SUCCEEDED", 0)
    commit = read_commit(Place.open(f"{bucket.uri}/labels", bucket.storage))
    assert commit is not None
    assert commit.counts.images == commit.counts.with_labels == IMAGES
    assert len(commit.parts) == 2

    _, out, _ = run(capsys, "jobs", "--json")
    (listed,) = json.loads(out.splitlines()[-1])
    assert (listed["submission_id"], listed["status"]) == (submission, "SUCCEEDED")
    assert listed["metadata"]["output"] == f"{bucket.uri}/labels"
    code, out, _ = run(capsys, "logs", submission)
    assert code == 0
    assert "with labels" in out
    # Every line is ours, the last says where all others are, and they are there.
    assert all(re.match(r"\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in out.splitlines())
    assert f"vrp logs --verbose {submission}" in out.splitlines()[-1]
    _, everything, _ = run(capsys, "logs", submission, "--verbose")
    assert len(everything.splitlines()) > len(out.splitlines())
    assert "ray_remote_args" not in everything  # Ray's warning of a deprecated way
    _, out, _ = run(capsys, "logs", submission, "--json")
    found = json.loads(out.splitlines()[-1])
    assert (found["id"], found["exit_code"]) == (submission, 0)
    code, _, err = run(capsys, "cancel", submission)
    assert code == 2
    assert "has ended" in err
    logs = [
        path.read_bytes() for path in head.folder.glob("session_2*/logs/**/*") if path.is_file()
    ]
    assert logs
    assert not any(SECRET.encode() in log for log in logs)


def test_a_job_that_asks_for_a_gpu_gets_a_gpu_node_and_is_cancelled_an_unknown_one_is_not(
    head: Head, job_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = ("--set", "compute.gpus_per_actor=1")
    _, out, _ = run(capsys, "submit", "label", str(job_file), "--send-secrets", "--json", *gpu)
    submission = json.loads(out.splitlines()[-1])["id"]
    deadline = time.monotonic() + NODE_S
    while not any(node.get("GPU") for node in head.nodes()):
        logs = run(capsys, "logs", submission)[1]
        assert time.monotonic() < deadline, logs
        assert "ended with code" not in logs, logs
        time.sleep(2)
    code, _, err = run(capsys, "cancel", submission)
    assert code == 0, err
    code, _, err = run(capsys, "logs", "-f", submission)
    assert code == 1
    assert re.search(r"STOPPED", err)
    code, _, err = run(capsys, "cancel", "label-of-nobody")
    assert code == 2
    assert "does not exist" in err


def test_a_wrong_token_is_told(
    job_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    code, _, err = run(capsys, "submit", "label", str(job_file), "--send-secrets")
    assert code == 2
    assert "a token it does not accept" in err


def test_a_head_tells_which_cluster_it_is_and_refuses_a_wrong_token_at_once(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cluster_of(head.gcs)
    assert found
    assert cluster_of(head.gcs) == found
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    with pytest.raises(BadInput, match="refuses this user"):
        cluster_of(head.gcs)
