"""From images in a bucket to verdicts and a data set, all through the studio's addresses."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from fastapi.testclient import TestClient

from jobs.review.work import open_work
from pipeline.storage.place import Place
from pipeline.studio.app import make_app
from pipeline.studio.gate import Entry
from schemas.job.storage import Storage
from tests.made.jobs.commands import run
from tests.made.pixels.photos import photo
from tests.made.pixels.tars import make_tar
from tests.made.servers.s3 import KEY, SECRET, Bucket

ADDRESS = "http://127.0.0.1:8765"
TOKEN = "token-of-this-test-0"
IMAGES = 3


@pytest.fixture(scope="module", autouse=True)
def own_cluster() -> Iterator[None]:
    """End the cluster that `vrp label` starts in this process: other modules start theirs."""
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with keys where AWS's own tools look for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def put_images(bucket: Bucket, kind: str) -> str:
    """Write photos to the bucket, each for itself or in a tar; return what names them."""
    if kind == "tar":
        members = [(f"{number}.jpg", photo(number)) for number in range(IMAGES)]
        return bucket.put("trip.tar", make_tar(members))
    for number in range(IMAGES):
        bucket.put(f"trip/{number}.jpg", photo(number))
    return f"{bucket.uri}/trip"


def client_of(what: str, storage: Storage) -> TestClient:
    app = make_app(Entry(8765, TOKEN, frozenset({"127.0.0.1"})), "ann", open_work(what, storage))
    client = TestClient(app, base_url=ADDRESS, headers={"Origin": ADDRESS})
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def post(client: TestClient, address: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(address, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def try_out(client: TestClient) -> dict[str, Any]:
    post(client, "/api/trial", {})
    deadline = time.monotonic() + 240
    while (trial := client.get("/api/trial/chosen").json())["state"] != "done":
        assert trial["state"] != "failed", trial["said"]
        assert time.monotonic() < deadline, trial
        time.sleep(0.05)
    return trial


@pytest.mark.cluster
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["images", "tar"])
def test_images_in_a_bucket_are_drawn_on_tried_labelled_reviewed_and_exported(
    capsys, bucket: Bucket, tmp_path: Path, kind: str
) -> None:
    what = put_images(bucket, kind)
    asked = Storage(endpoint_url=bucket.storage.endpoint_url, region="us-east-1")
    client = client_of(what, asked)
    assert client.get("/api/images").json()["total"] == IMAGES
    assert client.get("/api/images/0/small").headers["content-type"] == "image/jpeg"
    box = {"type": "box", "xyxy": [5, 6, 30, 40]}
    drawn = {"image": 1, "category": "cat", "annotation": box}
    post(client, "/api/job", {"version": "", "references": [drawn]})
    assert len(try_out(client)["images"]) == IMAGES
    assert client.get("/api/trial/images/0").headers["content-type"] == "image/jpeg"

    job = tmp_path / "trip.yaml"
    document = yaml.safe_load(job.read_text())
    assert not {KEY, SECRET} & set(job.read_text().split())
    labels = f"{bucket.uri}/labels"
    document["output"]["uri"] = labels
    document["method"]["min_presence"] = -1
    job.write_text(yaml.safe_dump(document))
    code, _, err = run(capsys, "label", str(job))
    assert code == 0, err

    client = client_of(str(job), Storage())
    queue = post(client, "/api/queues", {"show": "all"})
    shown = client.get(f"/api/queues/{queue['queue']}?count=50").json()["labels"]
    assert len(shown) == IMAGES
    for one in shown:
        picture = client.get(f"/api/labels/{one['label']}/image")
        assert picture.headers["content-type"] == "image/jpeg"
    said = [
        {**{k: one[k] for k in ("image_id", "category_id")}, "verdict": "accepted"} for one in shown
    ]
    post(client, "/api/verdicts", {"reviewer": "ann", "verdicts": said})
    assert Place.open(f"{labels}/reviews", bucket.storage).files()
    to = str(tmp_path / "reviewed.json")
    options = ("--endpoint-url", str(bucket.storage.endpoint_url), "--region", "us-east-1")
    code, _, err = run(
        capsys, "export", "coco", labels, "--to", to, "--reviewed", "accepted", *options
    )
    assert code == 0, err
    assert len(json.loads(Path(to).read_text())["images"]) == IMAGES
