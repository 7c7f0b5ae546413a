"""The whole job on real Ray nodes and a real S3 protocol server: nothing lost, nothing twice."""

import io
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import ray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from ray.cluster_utils import Cluster

from pipeline.embed.check import check as check_embedding
from pipeline.embed.run import embed
from pipeline.export.coco import export_coco
from pipeline.label.check import check
from pipeline.label.preview import outlook
from pipeline.label.run import check_retry, label, retry
from pipeline.output.audit import audit
from pipeline.storage.place import Place
from pipeline.workers.pool import on_cluster
from schemas.errors import TooManyRejected
from schemas.job.compute import Limits
from schemas.job.embed import EmbedJob, EmbedReceipt
from schemas.job.label import LabelJob
from schemas.job.storage import Output
from schemas.record.commit import Commit
from schemas.record.receipt import Receipt
from tests.made.cluster import poison
from tests.made.jobs.labelling import four_references, job_of
from tests.made.pixels.photos import photo, tar_of
from tests.made.servers.s3 import Bucket

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
IMAGES_PER_SHARD = 7
SHARDS = 3


def stored(bucket: Bucket, key: str) -> bytes:
    return Place.open(f"{bucket.uri}/{key}", bucket.storage).read()


def remove(bucket: Bucket, key: str) -> None:
    Place.open(f"{bucket.uri}/{key}", bucket.storage).remove()


def shard(number: int) -> bytes:
    """Seven samples, of which one is cut off and one is no image."""
    members = {f"{number}-{i}.jpg": photo(10 * number + i) for i in range(IMAGES_PER_SHARD)}
    members[f"{number}-2.jpg"] = members[f"{number}-2.jpg"][:200]
    members[f"{number}-4.jpg"] = b"hello"
    return tar_of(members)


@pytest.fixture(scope="module", autouse=True)
def two_nodes() -> Iterator[Cluster]:
    """Two real nodes that claim two cores each; the driver joins them."""
    # Port 0: any free one, as several test runs may share a machine.
    head = {"num_cpus": 2, "include_dashboard": False, "gcs_server_port": 0}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=2)
    ray.init(
        address=cluster.address,
        logging_level=logging.WARNING,
        runtime_env={
            "env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])},
            "worker_process_setup_hook": "tests.made.cluster.poison.install",
        },
    )
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def references(tmp_path: Path) -> list[dict[str, Any]]:
    return four_references(tmp_path)


def run(job: LabelJob) -> tuple[Commit, list[Receipt]]:
    receipts: list[Receipt] = []
    return label(check(job), receipts.append, on_cluster), receipts


@pytest.fixture
def s3_job(bucket: Bucket, references: list[dict[str, Any]]) -> LabelJob:
    for number in range(SHARDS):
        bucket.put(f"shards/{number:03d}.tar", shard(number))
    return job_of(
        {"type": "webdataset", "shards": f"{bucket.uri}/shards/{{000..002}}.tar"},
        f"{bucket.uri}/labels",
        references,
        storage=bucket.storage,
    )


def test_a_job_on_s3_accounts_for_every_image_and_a_second_run_does_nothing(
    s3_job: LabelJob, bucket: Bucket, tmp_path: Path
) -> None:
    commit, receipts = run(s3_job)
    images = SHARDS * IMAGES_PER_SHARD
    assert commit.counts.images == images
    assert commit.counts.rejected == 2 * SHARDS
    assert commit.counts.rows == 2 * (images - 2 * SHARDS)
    assert len(receipts) == 3 * SHARDS
    assert commit.random_weights
    again, none = run(s3_job)
    assert again == commit
    assert none == []

    # One part lost and found again: exactly it, byte for byte.
    lost = commit.parts[4].path
    before = stored(bucket, f"labels/{lost}")
    remove(bucket, f"labels/{lost}")
    remove(bucket, "labels/commit.json")
    restored, receipts = run(s3_job)
    assert [receipt.part.path for receipt in receipts] == [lost]
    assert stored(bucket, f"labels/{lost}") == before
    assert restored == commit

    check_rows(commit, s3_job, bucket)
    check_coco(commit, s3_job, bucket, tmp_path)


def check_rows(commit: Commit, job: LabelJob, bucket: Bucket) -> None:
    """Every row says what made it, and every image that can be read has one for each category."""
    files = [io.BytesIO(stored(bucket, f"labels/{part.path}")) for part in commit.parts]
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert {row["job_fingerprint"] for row in rows} == {check(job).identity.fingerprint}
    assert all(row["random_weights"] and row["references"] for row in rows)
    assert sorted((row["image_id"], row["category"]) for row in rows) == sorted(
        (f"{shard:03d}/{shard}-{i}", name)
        for shard in range(SHARDS)
        for i in (0, 1, 3, 5, 6)
        for name in ("cat", "cow")
    )


def check_coco(commit: Commit, job: LabelJob, bucket: Bucket, tmp_path: Path) -> None:
    export_coco(job.output.uri, job.storage, f"{bucket.uri}/coco.json")
    document = json.loads(stored(bucket, "coco.json"))
    assert len(document["images"]) == commit.counts.with_labels
    assert len(document["annotations"]) == commit.counts.labelled
    for annotation in document["annotations"]:
        runs = annotation["segmentation"]
        assert coco_mask.area(runs) == annotation["area"] > 0
        assert coco_mask.toBbox(runs).tolist() == annotation["bbox"]
    local = tmp_path / "coco.json"
    local.write_text(json.dumps(document))
    assert len(COCO(str(local)).getAnnIds()) == commit.counts.labelled


def test_new_images_are_labelled_and_vanished_ones_reported(
    references: list[dict[str, Any]], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in (1, 3, 5):
        (photos / f"{number}.jpg").write_bytes(photo(number))
    job = job_of({"type": "images", "uris": str(photos)}, str(tmp_path / "out"), references)
    first, _ = run(job)
    (photos / "2.jpg").write_bytes(photo(2))
    (photos / "5.jpg").unlink()
    second, receipts = run(job)
    assert sum(receipt.part.images for receipt in receipts) == 1
    assert second.counts.images == first.counts.images + 1 == 4
    assert second.vanished == ("5.jpg",)
    assert second.parts[: len(first.parts)] == first.parts


def test_images_that_kill_or_hang_their_process_are_rejected_and_their_neighbours_labelled(
    references: list[dict[str, Any]], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        end = {1: poison.KILLS, 4: poison.HANGS}.get(number, b"")
        (photos / f"{number}.jpg").write_bytes(photo(number) + end)
    job = job_of(
        {"type": "images", "uris": str(photos)},
        str(tmp_path / "out"),
        references,
        limits={"seconds_per_image": 4},
    )
    commit, _ = run(job)
    assert commit.counts.images == 6
    assert reasons(tmp_path / "out", commit) == {"1.jpg": "crash", "4.jpg": "timeout"}

    # Both mended, one retried: the other stays as it is.
    for number in (1, 4):
        (photos / f"{number}.jpg").write_bytes(photo(number))
    checked = check(job)
    retried = retry(
        checked, check_retry(checked, frozenset({"timeout"})), lambda _: None, on_cluster
    )
    assert reasons(tmp_path / "out", retried) == {"1.jpg": "crash"}
    assert check(job).done
    assert list(audit(checked.output)) == []


def reasons(output: Path, commit: Commit) -> dict[str, str]:
    tables = [pq.read_table(output / p.rejected_path) for p in commit.parts if p.rejected_path]
    return {row["image_id"]: row["reason"] for table in tables for row in table.to_pylist()}


def test_a_job_over_its_budget_stops_goes_on_when_it_is_raised_and_is_done_wherever_it_moves(
    references: list[dict[str, Any]], tmp_path: Path
) -> None:
    tars, moved = tmp_path / "a", tmp_path / "b"
    tars.mkdir()
    for number in range(3):
        (tars / f"{number}.tar").write_bytes(shard(number))
    job = job_of({"type": "webdataset", "shards": str(tars)}, str(tmp_path / "o"), references)
    strict = job.model_copy(update={"limits": Limits(max_rejected=2)})
    with pytest.raises(TooManyRejected, match="decode"):
        run(strict)
    done = {path.name for path in (tmp_path / "o" / "labels").iterdir()}
    would = {prospect.what: prospect.count for prospect in outlook(check(job))}
    assert would["write commit.json"] == 1
    assert would.get("go on with begun shards", 0) + would.get("label waiting shards", 0) > 0
    commit, rest = run(job)
    assert commit.counts.rejected == 6
    assert len(commit.parts) == 9
    assert not {receipt.part.path.removeprefix("labels/") for receipt in rest} & done
    attempts = [path.name for path in (tmp_path / "o" / "attempts").iterdir()]
    assert [prospect.what for prospect in outlook(check(job))] == ["leave shards alone"], attempts

    shutil.move(tars, moved)
    elsewhere = {"type": "webdataset", "shards": str(moved)}
    _, none = run(job_of(elsewhere, str(tmp_path / "o"), references))
    assert none == []


def test_embeddings_computed_once_serve_a_labeling_job(
    references: list[dict[str, Any]], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(4):
        (photos / f"{number}.jpg").write_bytes(photo(number))
    (photos / "4.jpg").write_bytes(b"not an image")
    job = job_of({"type": "images", "uris": str(photos)}, str(tmp_path / "plain"), references)
    embed_job = EmbedJob.model_validate(
        {
            "targets": job.targets.model_dump(),
            "method": job.method.model_dump(),
            "embeddings": str(tmp_path / "store"),
            "compute": {"precision": "fp32"},
            "allow_random_weights": True,
        }
    )
    embedded: list[EmbedReceipt] = []
    store = embed(check_embedding(embed_job), embedded.append)
    assert len(store) == sum(receipt.embedded for receipt in embedded) == 4
    assert [image_id for receipt in embedded for image_id, _ in receipt.rejected] == ["4.jpg"]
    embed(check_embedding(embed_job), lambda _: pytest.fail("embedded again"))

    plain, _ = run(job)
    out = {"embeddings": str(tmp_path / "store"), "output": Output(uri=str(tmp_path / "stored"))}
    stored, _ = run(job.model_copy(update=out))
    assert stored.counts.images == plain.counts.images == 5
    scores = [
        [row["score"] for part in commit.parts for row in rows_of(tmp_path / name / part.path)]
        for name, commit in (("plain", plain), ("stored", stored))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-2)
    assert scores[0] != scores[1]  # the store's are rounded to float16: they were used


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()
