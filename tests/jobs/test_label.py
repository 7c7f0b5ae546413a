"""vrp label at the terminal: every mistake is told before an actor starts, with exit code 2."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from model.networks.backbone import build_backbone
from pipeline.storage.files import open_filesystem, replace
from tests.made.jobs.commands import photo_folder, run, write_job
from tests.made.pixels.photos import photo
from tests.made.servers.s3 import SECRET, Bucket, serve_denials

pytestmark = pytest.mark.cluster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photo_folder(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], job: str, *options: str) -> str:
    """Run a job that must be refused before any work; return what it says."""
    code, out, err = run(capsys, "label", job, *options)
    assert code == 2, out + err
    assert not ray.is_initialized()
    assert not (Path(job).parent / "out").exists()
    assert all(part in err for part in ("where:", "got:", "wanted:"))
    return err


def test_a_dry_run_prints_the_plan_and_writes_nothing(capsys, folder: Path) -> None:
    code, out, _ = run(capsys, "label", write_job(folder), "--dry-run", "--json")
    assert code == 0
    plan = json.loads(out.splitlines()[-1])
    assert plan["images_listed"] == 2
    assert plan["random_weights"]
    assert len(plan["understood"]) == plan["references"]
    assert all("references[" in said for said in plan["understood"])
    assert not (folder / "out").exists()
    assert not ray.is_initialized()


def test_an_unknown_key_is_named(capsys, folder: Path) -> None:
    assert "outputs" in refused(capsys, write_job(folder, outputs={"uri": "out"}))


def test_a_wrong_type_is_named_with_its_place(capsys, folder: Path) -> None:
    said = refused(capsys, write_job(folder), "--set", "compute.batch_size=many")
    assert "compute.batch_size" in said
    assert "'many'" in said


def test_an_override_that_fits_nothing_is_named(capsys, folder: Path) -> None:
    assert "--set" in refused(capsys, write_job(folder), "--set", "references.7.category=dog")


def test_a_job_file_that_is_missing_is_named(capsys, folder: Path) -> None:
    assert "none.yaml" in refused(capsys, str(folder / "none.yaml"))


def test_yaml_that_builds_objects_is_refused(capsys, folder: Path) -> None:
    path = folder / "job.yaml"
    path.write_text("targets: !!python/object/apply:os.system ['true']\n")
    assert "not YAML" in refused(capsys, str(path))


def test_a_missing_reference_is_named(capsys, folder: Path) -> None:
    (folder / "ref.jpg").unlink()
    assert "ref.jpg" in refused(capsys, write_job(folder))


def test_a_reference_that_is_no_image_is_named(capsys, folder: Path) -> None:
    (folder / "ref.jpg").write_text("hello")
    assert "references[0] (cat" in refused(capsys, write_job(folder))


def test_a_box_outside_its_image_is_named(capsys, folder: Path) -> None:
    said = refused(capsys, write_job(folder), "--set", "references.0.annotation.xyxy=[900,1,901,2]")
    assert "outside" in said


def test_no_target_at_all_is_named(capsys, folder: Path) -> None:
    job = write_job(folder, targets={"type": "images", "uris": "nothing-here"})
    assert "nothing-here" in refused(capsys, job)


def test_a_missing_bucket_is_named(capsys, folder: Path, bucket: Bucket, monkeypatch) -> None:
    job = write_job(folder, **on_s3(bucket, "s3://no-such-bucket/in"))
    assert "no-such-bucket" in refused(capsys, job)


def test_a_denied_bucket_is_named_and_no_secret(capsys, folder: Path, bucket: Bucket) -> None:
    with serve_denials() as endpoint:
        changes = on_s3(bucket, f"{bucket.uri}/in")
        changes["storage"]["endpoint_url"] = endpoint
        said = refused(capsys, write_job(folder, **changes))
    assert bucket.name in said
    assert SECRET not in said


def test_an_output_that_may_not_be_written_is_named(capsys, folder: Path, bucket: Bucket) -> None:
    fs, path = open_filesystem(f"{bucket.uri}/in/0.jpg", bucket.storage)
    replace(fs, path, photo(0))
    bucket.deny("s3:PutObject")
    changes = on_s3(bucket, f"{bucket.uri}/in") | {"output": {"uri": f"{bucket.uri}/labels"}}
    assert "labels" in refused(capsys, write_job(folder, **changes))


def on_s3(bucket: Bucket, uri: str) -> dict[str, Any]:
    storage = {
        "endpoint_url": bucket.storage.endpoint_url,
        "region": "us-east-1",
        "key": "test-key",
        "secret": SECRET,
    }
    return {"targets": {"type": "images", "uris": uri}, "storage": storage}


def test_a_checkpoint_of_another_architecture_is_named(capsys, folder: Path) -> None:
    torch.save(build_backbone("nano").net.state_dict(), folder / "wrong.pth")
    said = refused(capsys, write_job(folder), "--set", f"method.sam.weights={folder}/wrong.pth")
    assert "wrong.pth" in said
    assert "image_encoder" in said


def test_untrained_weights_need_permission(capsys, folder: Path) -> None:
    said = refused(capsys, write_job(folder), "--set", "allow_random_weights=false")
    assert "allow_random_weights: true" in said


@pytest.fixture
def dead_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a head node that was killed leaves: an address that Ray would try for minutes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # short, as sockets lie below it
        address = Path(folder, "ray", "ray_current_cluster")
        address.parent.mkdir()
        address.write_text("127.0.0.1:1")
        monkeypatch.setenv("RAY_TMPDIR", folder)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        yield
        ray.shutdown()


@pytest.mark.usefixtures("dead_cluster")
def test_a_local_pool_that_never_fits_is_refused(capsys, folder: Path) -> None:
    code, _, err = run(capsys, "label", write_job(folder), "--set", "compute.cpus_per_actor=4096")
    assert code == 2
    assert "too few CPUs" in err


def test_the_schema_of_a_job_is_printed(capsys) -> None:
    code, out, _ = run(capsys, "schema", "label")
    assert code == 0
    assert "targets" in json.loads(out)["properties"]
