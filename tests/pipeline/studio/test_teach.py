"""What reviewers say of labels becomes references of the job, and images without its categories."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from fastapi.testclient import TestClient
from PIL import Image

from jobs.review.work import open_work
from jobs.terminal.job_file import read_job
from pipeline.label.check import check
from pipeline.label.references import read_references
from pipeline.masks.runs import encode_rle, run_lengths
from pipeline.studio.app import make_app
from pipeline.studio.gate import Entry
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from tests.made.jobs.commands import write_job
from tests.made.jobs.here import label_here
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.pixels.photos import photo

ADDRESS = "http://127.0.0.1:8765"
TOKEN = "token-of-this-test-0"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job with its labels: dogs in three images, a false cat in the first."""
    (tmp_path / "photos").mkdir()
    rows = []
    for number in range(3):
        uri = str(tmp_path / f"photos/{number}.png")
        Image.fromarray(np.full((40, 40, 3), 60 * number, np.uint8)).save(uri)
        cat = square(0, 0, 9) if number == 0 else NOTHING
        rows += [row(f"{number}.png", CAT, cat, uri=uri)]
        rows += [row(f"{number}.png", DOG, square(4, 4, 9), uri=uri)]
    Image.new("RGB", (40, 40)).save(tmp_path / "ref.jpg")
    commit_units(str(tmp_path / "out"), [(rows, [])])
    return Path(write_job(tmp_path))


def client_of(job: Path) -> TestClient:
    app = make_app(
        Entry(8765, TOKEN, frozenset({"127.0.0.1"})), "ann", open_work(str(job), Storage())
    )
    client = TestClient(app, base_url=ADDRESS, headers={"Origin": ADDRESS})
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def say(client: TestClient, image: str, category_id: int, verdict: str, **more: Any) -> int:
    """Give a verdict; return its label's number."""
    said = {"image_id": image, "category_id": category_id, "verdict": verdict, **more}
    answer = client.post("/api/verdicts", json={"reviewer": "ann", "verdicts": [said]})
    assert answer.status_code == 200, answer.text
    queue = client.post("/api/queues", json={"show": "all", "state": "any"}).json()["queue"]
    labels = client.get(f"/api/queues/{queue}?count=200").json()["labels"]
    key = (image, category_id)
    return next(one["label"] for one in labels if (one["image_id"], one["category_id"]) == key)


def teach(client: TestClient, label: int) -> tuple[int, str]:
    answer = client.post(f"/api/labels/{label}/teach", json={})
    return answer.status_code, answer.text


def test_a_corrected_mask_becomes_a_reference_once_and_the_next_output_takes_its_labels(
    job: Path,
) -> None:
    client = client_of(job)
    for wanted in (square(10, 10, 20), square(11, 10, 20)):
        runs = run_lengths(encode_rle(wanted)["counts"])
        label = say(client, "1.png", DOG.id, "corrected", runs=runs)
        code, said = teach(client, label)
        assert code == 200, said
        document = yaml.safe_load(job.read_text())
        assert [one["category"] for one in document["references"]] == ["cat", "dog"]
        assert document["references"][1]["image"] == "photos/1.png"
        assert document["output"] == {"uri": "out-2"}
        spec = read_job(LabelJob, job)
        read = read_references(
            spec.references, spec.numbered_categories(), spec.limits, spec.storage
        )
        assert np.array_equal(np.asarray(read[1].loaded.annotation), wanted)


def test_an_accepted_mask_teaches_and_one_that_nobody_judged_or_all_reject_does_not(
    job: Path,
) -> None:
    client = client_of(job)
    assert teach(client, say(client, "2.png", DOG.id, "accepted"))[0] == 200
    before = job.read_text()
    for verdict in ("rejected", "withdrawn"):
        code, said = teach(client, say(client, "0.png", DOG.id, verdict))
        assert code == 400
        assert "nothing to learn from" in said
    assert teach(client, 999)[0] == 404
    assert job.read_text() == before


def test_an_image_that_was_replaced_since_is_neither_shown_under_its_mask_nor_taught(
    job: Path,
) -> None:
    client = client_of(job)
    label = say(client, "1.png", DOG.id, "accepted")
    Image.new("RGB", (60, 30)).save(job.parent / "photos/1.png")
    for kind in ("image", "tile"):
        answer = client.get(f"/api/labels/{label}/{kind}")
        assert answer.status_code == 404
        assert "another image than was labelled: 60 x 30 pixels" in answer.json()["detail"]
    before = job.read_text()
    code, said = teach(client, label)
    assert code == 400
    assert "the label has 40 x 40" in said
    empty = say(client, "1.png", CAT.id, "accepted")
    say(client, "1.png", DOG.id, "absent")
    assert "another image" in teach(client, empty)[1]
    assert job.read_text() == before


def test_an_image_without_any_category_is_a_negative_of_a_job_that_asks_for_presence(
    job: Path,
) -> None:
    client = client_of(job)
    label = say(client, "0.png", CAT.id, "absent")
    code, said = teach(client, label)
    assert code == 400
    assert "dog: a mask that nobody called not there" in said
    say(client, "0.png", DOG.id, "absent")
    code, said = teach(client, label)
    assert code == 400
    assert "wanted one of these" in said  # thresholds.precision or recall: negatives are for them
    document = yaml.safe_load(job.read_text())
    job.write_text(yaml.safe_dump({**document, "thresholds": {"precision": 0.9}}))
    client = client_of(job)
    assert teach(client, label)[0] == 200
    assert teach(client, label)[0] == 200
    assert yaml.safe_load(job.read_text())["negatives"] == ["photos/0.png"]


def test_an_image_inside_a_parquet_file_is_shown_in_review_and_becomes_a_reference(
    tmp_path: Path,
) -> None:
    table = pa.table({"id": ["a", "b"], "image": [photo(0), photo(1, (40, 40))]})
    pq.write_table(table, tmp_path / "trip.parquet")
    uri = f"{tmp_path}/trip.parquet#1"
    commit_units(str(tmp_path / "out"), [([row("b", DOG, square(4, 4, 9), uri=uri)], [])])
    (tmp_path / "ref.jpg").write_bytes(photo(9))
    targets = {"type": "parquet", "files": "trip.parquet"}
    job = Path(write_job(tmp_path, targets=targets))
    client = client_of(job)
    label = say(client, "b", DOG.id, "accepted")
    answer = client.get(f"/api/labels/{label}/image")
    assert answer.headers["content-type"] == "image/jpeg", answer.text
    code, said = teach(client, label)
    assert code == 200, said
    image = yaml.safe_load(job.read_text())["references"][1]["image"]
    assert image.startswith("job-references/trip-1-")
    assert (tmp_path / image).read_bytes() == photo(1, (40, 40))


def test_what_is_taught_names_the_output_before_so_that_only_its_category_is_labelled_anew(
    tmp_path: Path,
) -> None:
    job = two_categories(tmp_path)
    label_here(read_job(LabelJob, job))
    client = client_of(job)
    for image in ("1.jpg", "2.jpg"):  # the second before the first was run
        runs = run_lengths(encode_rle(lower_half())["counts"])
        assert teach(client, say(client, image, 2, "corrected", runs=runs))[0] == 200
        document = yaml.safe_load(job.read_text())
        assert (document["output"], document["earlier"]) == ({"uri": "out-2"}, "out")
    earlier = check(read_job(LabelJob, job)).earlier
    assert earlier is not None
    assert [fate.category.name for fate in earlier.fates if fate.kept] == ["cat"]
    _, receipts = label_here(read_job(LabelJob, job))
    assert sum(receipt.taken for receipt in receipts) == 3


def test_an_output_of_other_thresholds_is_no_earlier_one(tmp_path: Path) -> None:
    job = two_categories(tmp_path)
    label_here(read_job(LabelJob, job))
    document = yaml.safe_load(job.read_text())
    job.write_text(yaml.safe_dump({**document, "thresholds": {"min_score": 0.1}}))
    client = client_of(job)
    runs = run_lengths(encode_rle(lower_half())["counts"])
    assert teach(client, say(client, "1.jpg", 2, "corrected", runs=runs))[0] == 200
    document = yaml.safe_load(job.read_text())
    assert document["output"] == {"uri": "out-2"}
    assert "earlier" not in document


def two_categories(folder: Path) -> Path:
    """Write three photos and a job of a cat and a dog."""
    (folder / "photos").mkdir()
    for number in range(3):
        (folder / "photos" / f"{number}.jpg").write_bytes(photo(number))
    (folder / "ref.jpg").write_bytes(photo(9))
    shown = [
        {"category": name, "image": "ref.jpg", "annotation": {"type": "box", "xyxy": box}}
        for name, box in (("cat", [1, 2, 30, 40]), ("dog", [20, 10, 50, 40]))
    ]
    return Path(write_job(folder, references=shown))


def lower_half() -> np.ndarray:
    mask_HW = np.zeros((44, 60), bool)
    mask_HW[22:] = True
    return mask_HW
