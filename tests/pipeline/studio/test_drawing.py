"""References drawn in the studio become a job file that the command line takes."""

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
from pipeline.masks.runs import encode_rle, run_lengths
from pipeline.studio.app import make_app
from pipeline.studio.gate import Entry
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from tests.made.jobs.commands import photo_folder, run, write_job
from tests.made.outputs.output import HOSTILE
from tests.made.pixels.photos import photo
from tests.made.pixels.tars import make_tar

ADDRESS = "http://127.0.0.1:8765"
TOKEN = "token-of-this-test-0"
NANO = "{type: nano, weights: random}"
NANO_METHOD = f"method={{type: vrp, weights: random, sam: {NANO}, backbone: {NANO}}}"
BOX = {"type": "box", "xyxy": [5, 6, 30, 40]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photo_folder(tmp_path)


def client_of(what: Path) -> TestClient:
    """A browser at a studio of its own."""
    work = open_work(str(what), Storage())
    app = make_app(Entry(8765, TOKEN, frozenset({"127.0.0.1"})), "ann", work)
    client = TestClient(app, base_url=ADDRESS, headers={"Origin": ADDRESS})
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def save(client: TestClient, *references: dict[str, Any]) -> tuple[int, str]:
    version = client.get("/api/job").json()["version"]
    answer = client.post("/api/job", json={"version": version, "references": references})
    return answer.status_code, answer.text


def drawn(annotation: dict[str, Any], image: int = 0, category: str = "cat") -> dict[str, Any]:
    return {"image": image, "category": category, "annotation": annotation}


def test_what_is_drawn_on_a_folder_is_a_job_that_vrp_plan_accepts(capsys, folder: Path) -> None:
    client = client_of(folder / "photos")
    assert client.get("/api/images").json() == {"total": 2, "ids": ["0.jpg", "1.jpg"]}
    height, width = client.get("/api/images/1").json()["size"]
    mask_HW = np.zeros((height, width), bool)
    mask_HW[5:20, 7:30] = True
    code, said = save(
        client,
        drawn(BOX),
        drawn({"type": "points", "points": [[9.5, 8]]}, category="dog"),
        drawn({"type": "scribbles", "strokes": [[[5, 5], [20, 9]]], "width_px": 3}),
        drawn({"type": "runs", "runs": run_lengths(encode_rle(mask_HW)["counts"])}, image=1),
    )
    assert code == 200, said
    job = folder / "photos.yaml"
    document = yaml.safe_load(job.read_text())
    assert document["targets"] == {"type": "images", "uris": "photos"}
    assert [one["image"] for one in document["references"]] == ["photos/0.jpg"] * 3 + [
        "photos/1.jpg"
    ]
    png = folder / document["references"][3]["annotation"]["uri"]
    assert np.array_equal(np.asarray(Image.open(png)) > 0, mask_HW)
    assert "annotation: {type: box, xyxy: [5.0, 6.0, 30.0, 40.0]}" in job.read_text()
    options = ("--set", NANO_METHOD, "--set", "allow_random_weights=true")
    code, out, err = run(capsys, "plan", str(job), *options)
    assert code == 0, err
    assert "345 pixels" in out  # 15 x 23: what vrp plan takes the mask for


def test_a_new_job_is_readmes_first_and_its_sam_answers_clicks_before_it_is_saved(
    folder: Path,
) -> None:
    client = client_of(folder / "photos")
    assert client.get("/api/work").json()["clicks"] is True
    height, width = client.get("/api/images/0").json()["size"]
    asked = {"points": [[width / 2, height / 2]], "on": [True]}
    answer = client.post("/api/images/0/click", json=asked)
    assert sum(answer.json()["runs"]) == height * width
    assert save(client, drawn(BOX))[0] == 200
    document = yaml.safe_load((folder / "photos.yaml").read_text())
    assert document["method"] == {"type": "vrp", "weights": "lite-vrp"}
    job = read_job(LabelJob, folder / "photos.yaml")
    assert (job.method.sam.type, job.allow_random_weights) == ("lite", False)


def test_a_job_keeps_what_it_says_beside_its_references(folder: Path) -> None:
    path = Path(write_job(folder))
    before = yaml.safe_load(path.read_text())
    client = client_of(path)
    assert save(client, {"kept": 0}, drawn(BOX, category="dog"))[0] == 200
    after = yaml.safe_load(path.read_text())
    assert after["references"][0] == before["references"][0]
    assert after["references"][1]["category"] == "dog"
    assert {**after, "references": []} == {**before, "references": []}
    assert save(client, {"kept": 1})[0] == 200
    assert [one["category"] for one in yaml.safe_load(path.read_text())["references"]] == ["dog"]


def test_a_job_that_is_saved_unchanged_keeps_its_remarks(folder: Path) -> None:
    path = Path(write_job(folder))
    path.write_text("# mine\n" + path.read_text())
    before = path.read_text()
    client = client_of(path)
    assert save(client, {"kept": 0})[0] == 200
    assert path.read_text() == before
    assert save(client, {"kept": 0}, drawn(BOX, category="dog"))[0] == 200
    assert path.read_text() != before


def test_images_are_refused_by_the_limits_of_the_job_and_by_no_others(folder: Path) -> None:
    for most, code in ((60 * 44, 200), (60 * 44 - 1, 404)):
        job = Path(write_job(folder, limits={"max_pixels": most}))
        answer = client_of(job).get("/api/images/1")
        assert answer.status_code == code
        assert code == 200 or f"the job's limit is {most}" in answer.json()["detail"]


def test_a_job_that_another_program_changed_is_not_written_over(folder: Path) -> None:
    path = Path(write_job(folder))
    client = client_of(path)
    path.write_text(path.read_text() + "# mine\n")
    code, said = save(client, drawn(BOX))
    assert code == 400
    assert "changed meanwhile" in said
    assert path.read_text().endswith("# mine\n")


@pytest.mark.parametrize(
    ("references", "says"),
    [
        ([], "references"),
        ([drawn(BOX, image=2)], "no such image"),
        ([drawn(BOX, image=-1)], "no such image"),
        ([{"kept": 5}], "no such reference"),
        ([drawn({"type": "runs", "runs": [5]})], "a drawn mask that is none"),
        ([drawn({"type": "box", "xyxy": [5, 5, 5, 9]})], "no area"),
        ([drawn({"type": "mask", "uri": "/etc/passwd"})], "runs"),
    ],
)
def test_what_cannot_be_a_job_is_refused_and_nothing_written(
    folder: Path, references: list[dict[str, Any]], says: str
) -> None:
    code, said = save(client_of(folder / "photos"), *references)
    assert code in {400, 422}
    assert says in said
    assert not (folder / "photos.yaml").exists()


def test_a_category_with_markup_is_a_name_and_no_path(folder: Path) -> None:
    client = client_of(folder / "photos")
    height, width = client.get("/api/images/0").json()["size"]
    runs = {"type": "runs", "runs": [0, height * width]}
    assert save(client, drawn(runs, category=f"../../{HOSTILE}"))[0] == 200
    document = yaml.safe_load((folder / "photos.yaml").read_text())
    assert document["references"][0]["category"] == f"../../{HOSTILE}"
    (png,) = (folder / "photos-references").iterdir()
    assert png.name.startswith("script-document")


def test_an_image_that_cannot_be_decoded_says_so_and_the_others_are_shown(folder: Path) -> None:
    (folder / "photos/2.jpg").write_bytes(b"no image")
    client = client_of(folder / "photos")
    assert client.get("/api/images/0/small").headers["content-type"] == "image/jpeg"
    answer = client.get("/api/images/2/small")
    assert answer.status_code == 404
    assert "no known image format" in answer.json()["detail"]


def write_shard(folder: Path, kind: str) -> Path:
    """Write three photos as one shard, the second of which cannot be decoded."""
    data = [photo(0), b"no image", photo(2)]
    if kind == "tar":
        path = folder / "trip.tar"
        path.write_bytes(make_tar([(f"day {n}/IMG.jpg", one) for n, one in enumerate(data)]))
    else:
        path = folder / "trip.parquet"
        pq.write_table(pa.table({"id": ["a", "b", "c"], "image": data}), path)
    return path


@pytest.mark.parametrize(
    ("kind", "ids", "stem"),
    [
        ("tar", ["trip/day 0/IMG", "trip/day 1/IMG", "trip/day 2/IMG"], "img"),
        ("parquet", ["a", "b", "c"], "trip-2"),
    ],
)
def test_an_image_in_a_shard_is_drawn_on_and_becomes_a_file_beside_the_job_once(
    capsys, tmp_path: Path, kind: str, ids: list[str], stem: str
) -> None:
    client = client_of(write_shard(tmp_path, kind))
    assert client.get("/api/images").json() == {"total": 3, "ids": ids}
    assert client.get("/api/images/2/small").headers["content-type"] == "image/jpeg"
    assert client.get("/api/images/1/small").status_code == 404
    height, width = client.get("/api/images/2").json()["size"]
    asked = {"points": [[5, 6]], "on": [True]}
    assert sum(client.post("/api/images/2/click", json=asked).json()["runs"]) == height * width
    assert save(client, drawn(BOX, image=2))[0] == 200
    assert save(client, {"kept": 0}, drawn(BOX, image=2, category="dog"))[0] == 200
    job = tmp_path / "trip.yaml"
    document = yaml.safe_load(job.read_text())
    (copied,) = {one["image"] for one in document["references"]}
    assert copied.startswith(f"trip-references/{stem}-")
    assert (tmp_path / copied).read_bytes() == photo(2)
    assert [path.name for path in (tmp_path / "trip-references").iterdir()] == [Path(copied).name]
    assert list(document["targets"].values()) == [
        {"tar": "webdataset"}.get(kind, kind), f"trip.{kind}",
    ]  # fmt: skip
    code, _, err = run(capsys, "plan", str(job))
    assert code == 0, err


def test_an_image_in_a_tar_that_is_named_without_a_suffix_is_written_out_too(folder: Path) -> None:
    (folder / "shard").write_bytes(make_tar([("a.jpg", photo(0))]))
    job = Path(write_job(folder, targets={"type": "webdataset", "shards": ["shard"]}))
    client = client_of(job)
    assert save(client, drawn(BOX))[0] == 200
    image = yaml.safe_load(job.read_text())["references"][0]["image"]
    assert (folder / image).read_bytes() == photo(0)


def test_of_many_shards_the_first_images_of_some_are_shown(tmp_path: Path) -> None:
    for number in range(30):
        members = [(f"{n:03}.jpg", photo(0)) for n in range(60)]
        (tmp_path / f"{number:02}.tar").write_bytes(make_tar(members))
    work = open_work(str(tmp_path / "*.tar"), Storage())
    assert work.draft
    assert work.draft.path == tmp_path.with_suffix(".yaml")
    ids = [image_id for image_id, _ in work.draft.collection.images]
    assert (len(ids), ids[0], ids[-1]) == (24 * 50, "00/000", "29/049")
    assert work.draft.collection.total is None


def test_a_click_is_answered_where_the_weights_are_at_hand_and_else_there_is_none(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(Path(write_job(folder)))
    expected = {"review": False, "draw": True, "run": False, "clicks": True}
    assert client.get("/api/work").json() == expected
    height, width = client.get("/api/images/0").json()["size"]
    asked = {"points": [[5, 6]], "on": [True]}
    answer = client.post("/api/images/0/click", json=asked)
    assert sum(answer.json()["runs"]) == height * width
    assert (
        client.post("/api/images/0/click", json={"points": [[5, 6]], "on": []}).status_code == 422
    )
    monkeypatch.setenv("VRP_CACHE", str(tmp_path_factory.mktemp("empty")))
    fetched_first = {"type": "vit_b", "weights": "sam_vit_b"}
    nano = {"type": "nano", "weights": "random"}
    method = {"type": "vrp", "weights": "random", "sam": fetched_first, "backbone": nano}
    client = client_of(Path(write_job(folder, method=method)))
    assert client.get("/api/work").json()["clicks"] is False
    assert client.post("/api/images/0/click", json=asked).status_code == 404


def test_what_is_changed_after_labels_were_made_goes_to_the_next_output(folder: Path) -> None:
    path = Path(write_job(folder))
    client = client_of(path)
    assert save(client, {"kept": 0}, drawn(BOX, category="dog"))[0] == 200
    assert yaml.safe_load(path.read_text())["output"] == {"uri": "out"}
    for claimed, free in (("out", "out-2"), ("out-2", "out-3")):
        (folder / claimed).mkdir()
        (folder / claimed / "job.json").write_text("{}")
        assert save(client, {"kept": 0}, {"kept": 1})[0] == 200  # nothing new: nothing moves
        assert yaml.safe_load(path.read_text())["output"] == {"uri": claimed}
        assert save(client, {"kept": 1}, {"kept": 0})[0] == 200
        assert yaml.safe_load(path.read_text())["output"] == {"uri": free}


def test_a_try_that_was_not_begun_or_thresholds_that_are_none_are_refused(folder: Path) -> None:
    client = client_of(Path(write_job(folder)))
    assert client.get("/api/trial/chosen").status_code == 400
    assert client.get("/api/trial/images/0").status_code == 400
    assert client.get("/api/trial?min_score=2").status_code == 422
    assert client.post("/api/trial/keep", json={"score": 1}).status_code == 422
    assert client_of(folder / "photos").post("/api/trial", json={}).status_code == 400
