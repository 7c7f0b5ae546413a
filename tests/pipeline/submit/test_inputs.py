"""What travels with a submitted job: its own small files, and nothing large or secret."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

import pipeline
from jobs.terminal.job_file import read_job
from pipeline.presence.heads import PUBLISHED
from pipeline.storage.files import list_files, open_filesystem, read_bytes
from pipeline.submit.inputs import local_files, packaged_weights, portable
from pipeline.submit.package import ID_FILE, JOB_FILE, pack
from schemas.errors import BadInput
from schemas.job.evaluate import EvaluateJob
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from schemas.job.train import TrainJob
from tests.made.servers.s3 import SECRET, Bucket

SOURCE = Path(pipeline.__path__[0]).parent
LITE = {"type": "lite", "weights": "lite-sam"}
LITE2 = {"type": "efficientnet_lite2", "weights": "efficientnet-lite2"}


def label_job(bucket: Bucket, folder: Path, **changes: Any) -> LabelJob:
    """A job on S3 with an image, a mask and weights of this machine; the image stands twice."""
    for name in ("ref.jpg", "ref.png", "vrp.safetensors"):
        (folder / name).write_bytes(name.encode())
    mask = {"type": "mask", "uri": str(folder / "ref.png")}
    box = {"type": "box", "xyxy": [1, 2, 30, 40]}
    image = str(folder / "ref.jpg")
    document = {
        "targets": {"type": "webdataset", "shards": f"{bucket.uri}/{{0..9}}.tar"},
        "references": [
            {"category": "cat", "image": image, "annotation": mask},
            {"category": "cow", "image": image, "annotation": box},
        ],
        "method": {
            "type": "vrp",
            "weights": str(folder / "vrp.safetensors"),
            "sam": LITE,
            "backbone": LITE2,
            "reading": {"align_corners": True},
        },
        "output": {"uri": f"{bucket.uri}/labels"},
        "storage": bucket.storage,
        **changes,
    }
    return LabelJob.model_validate(document)


def test_weights_and_references_are_uploaded_once_and_named_by_content(
    bucket: Bucket, tmp_path: Path
) -> None:
    job = label_job(bucket, tmp_path)
    document = portable(job, shared_paths=False, send_secrets=True)
    assert portable(job, shared_paths=False, send_secrets=True) == document
    sent = LabelJob.model_validate(document)
    fs, folder = open_filesystem(f"{bucket.uri}/labels/inputs", bucket.storage)
    assert len(list_files(fs, folder)) == 3
    first, second = sent.references
    assert first.image == second.image
    assert read_bytes(*open_filesystem(first.image, bucket.storage)) == b"ref.jpg"
    assert sent.method.type == "vrp"
    assert sent.method.sam == job.method.sam
    assert read_bytes(*open_filesystem(sent.method.weights, bucket.storage)) == b"vrp.safetensors"
    unchanged = {"references", "method"}
    assert sent.model_dump(exclude=unchanged) == job.model_dump(exclude=unchanged)


def test_images_without_the_categories_travel_as_references_do(
    bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"empty")
    asked = {"negatives": [str(tmp_path / "empty.jpg")], "thresholds": {"recall": 0.9}}
    local = local_files(label_job(bucket, tmp_path, **asked))
    assert (("negatives", 0), tmp_path / "empty.jpg") in local.inputs
    assert local.fixed == ()


def test_images_and_outputs_of_this_machine_are_refused_unless_every_node_has_them(
    bucket: Bucket, tmp_path: Path
) -> None:
    targets = {"type": "images", "uris": [f"{bucket.uri}/a", str(tmp_path / "photos")]}
    job = label_job(bucket, tmp_path, targets=targets)
    with pytest.raises(BadInput, match=r"targets\.uris\.1"):
        portable(job, shared_paths=False, send_secrets=True)
    document = portable(job, shared_paths=True, send_secrets=True)
    assert LabelJob.model_validate(document) == job


def test_secrets_stay_here_unless_they_are_sent(bucket: Bucket, tmp_path: Path) -> None:
    job = label_job(bucket, tmp_path)
    with pytest.raises(BadInput, match=r"storage\.key, storage\.secret") as refused:
        portable(job, shared_paths=False, send_secrets=False)
    assert SECRET not in str(refused.value)
    targets = {"type": "images", "uris": "https://user:word@host/a"}
    storage = {"storage": Storage(endpoint_url="http://user:word@host")}
    for change in ({"targets": targets, "storage": Storage()}, storage):
        with pytest.raises(BadInput, match="secrets"):
            portable(label_job(bucket, tmp_path, **change), shared_paths=False, send_secrets=False)


def test_a_training_job_and_an_evaluation_survive_the_journey(tmp_path: Path) -> None:
    common = {
        "dataset": {"type": "folder", "root": "s3://data/perseg"},
        "index": "s3://data/index",
        "output": {"uri": "s3://runs/1"},
        "storage": Storage(region="eu-west-1"),
    }
    method = {"type": "vrp", "weights": "random:0", "sam": LITE, "backbone": LITE2}
    training = TrainJob.model_validate(
        {**common, "preset": "pascal5i", "recipe": {"epochs": 3}, "method": method}
    )
    document = portable(training, shared_paths=False, send_secrets=False)
    assert TrainJob.model_validate(document) == training
    assert {path.name for path in packaged_weights(training)} == {"lite-sam.safetensors"}
    folds = {**method, "weights": str(tmp_path / "fold-{fold}" / "vrp.safetensors")}
    evaluation = EvaluateJob.model_validate({**common, "methods": {"ours": folds}})
    with pytest.raises(BadInput, match=r"methods\.ours\.weights"):
        portable(evaluation, shared_paths=False, send_secrets=False)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_package_holds_the_source_the_job_and_no_weights_but_those_named(
    bucket: Bucket, tmp_path: Path
) -> None:
    job = label_job(bucket, tmp_path)
    folder = tmp_path / "package"
    folder.mkdir()
    document = portable(job, shared_paths=True, send_secrets=True)
    pack(folder, document, packaged_weights(job), "label-1")
    assert read_job(LabelJob, folder / JOB_FILE) == job
    weights = {path.name for path in folder.rglob("*.safetensors")}
    assert weights == {"lite-sam.safetensors"}
    assert (folder / "pipeline" / "report" / "page.html.j2").is_file()
    assert (folder / PUBLISHED.relative_to(SOURCE)).read_bytes() == PUBLISHED.read_bytes()
    page = "pipeline/studio/page"
    assert contents(folder / page) == contents(SOURCE / page)
    assert not list(folder.rglob("__pycache__"))
    # Ray names a package by its contents, and never forgets one that failed.
    again = tmp_path / "again"
    again.mkdir()
    pack(again, document, packaged_weights(job), "label-2")
    assert contents(again) != contents(folder)
    assert isinstance(yaml.safe_load((folder / JOB_FILE).read_text()), dict)
    assert job.storage.secret == SecretStr(SECRET)


def test_what_else_lies_in_the_working_tree_does_not_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, folder = tmp_path / "tree", tmp_path / "package"
    source = ["jobs/main.py", "model/a.py", "pipeline/b/c.html.j2", "schemas/__init__.py"]
    other = [
        "jobs/.env", "jobs/cats.yaml", "jobs/.venv/a.py", "model/weights/mine.pth",
        "model/masks/a.npz", "pipeline/credentials.json", "pipeline/__pycache__/b.pyc",
    ]  # fmt: skip
    for name in [*source, *other]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(pipeline, "__path__", [str(tree / "pipeline")])
        pack(folder, {}, (), "label-1")
    assert sorted(contents(folder)) == sorted([*source, JOB_FILE, ID_FILE])
