"""A job that is wrong, or whose output is at work, is refused here; nothing is sent."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.status import at_work
from pipeline.status.at_work import Presence
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from tests.made.data.training import a_job, write_dataset
from tests.made.jobs.commands import run, write_job
from tests.made.jobs.evaluation import a_document
from tests.made.pixels.photos import photo


class _Head(BaseHTTPRequestHandler):
    """A dashboard that says its version and takes note of everything else."""

    asked: list[str]

    def do_GET(self) -> None:
        if self.path != "/api/version":
            self.asked.append(self.path)
        body = json.dumps({"version": "4", "ray_version": "2.60.0", "ray_commit": ""}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep the test output quiet."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the head was asked for beside its version."""
    handler = type("Head", (_Head,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
        yield handler.asked
        server.shutdown()
        thread.join()


def labeling(folder: Path) -> str:
    (folder / "photos").mkdir()
    (folder / "photos" / "0.jpg").write_bytes(photo(0))
    (folder / "ref.jpg").write_bytes(photo(9))
    return write_job(folder)


def refused(capsys: Any, asked: list[str], *arguments: str) -> str:
    code, out, err = run(capsys, "submit", *arguments, "--shared-paths")
    assert code == 2, out + err
    assert asked == []
    return err


def test_negatives_of_a_dataset_that_has_none_are_told_before_anything_is_sent(
    tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "data")
    document = a_job(tmp_path).model_dump(mode="json", exclude_unset=True)
    document["episodes"]["negative_share"] = 0.1
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    said = refused(capsys, asked, "train", str(tmp_path / "job.yaml"))
    assert "negatives of a dataset" in said


def test_a_reference_that_is_no_image_is_told_before_anything_is_sent(
    tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job = labeling(tmp_path)
    (tmp_path / "ref.jpg").write_text("hello")
    assert "ref.jpg" in refused(capsys, asked, "label", job)


def test_an_evaluation_of_a_fold_without_enough_images_is_told_before_anything_is_sent(
    tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_dataset(tmp_path / "data")
    document = a_document(tmp_path, {"type": "folder", "root": str(root)}, shots=[500])
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    refused(capsys, asked, "evaluate", str(tmp_path / "job.yaml"))


def test_an_embedding_of_targets_that_are_not_there_is_told_before_anything_is_sent(
    tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nano = {"type": "nano", "weights": "random:1"}
    document = {
        "targets": {"type": "webdataset", "shards": str(tmp_path / "none" / "{0..3}.tar")},
        "method": {"type": "vrp", "weights": "random:2", "sam": nano, "backbone": nano},
        "embeddings": str(tmp_path / "store"),
        "allow_random_weights": True,
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    assert "none" in refused(capsys, asked, "embed", str(tmp_path / "job.yaml"))


def test_an_output_at_work_is_told_before_anything_is_sent(
    tmp_path: Path,
    asked: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_work, "BEAT_S", 0.05)
    job = labeling(tmp_path)
    place = Place.open(str(tmp_path / "out"), Storage())
    running = Presence(place, run="label-20261125-184801-a1b2c3", kind="label")
    running.begin()
    said = refused(capsys, asked, "label", job)
    assert "label-20261125-184801-a1b2c3" in said
    assert "--wait" in said
    running.end()
