"""What the studio's server lets in, shows and writes, asked as a browser asks it."""

import io
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.masks.runs import encode_rle, run_lengths
from pipeline.output.verdicts import read_verdicts
from pipeline.review.review import Review
from pipeline.storage.place import Place
from pipeline.studio.app import Work, make_app
from pipeline.studio.gate import MOST_BODY_BYTES, Entry
from schemas.errors import BadInput, BadStorage
from schemas.job.compute import Limits
from schemas.job.storage import Storage
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.outputs.output import HOSTILE, make_output

ADDRESS = "http://127.0.0.1:8765"
TOKEN = "token-of-this-test-0"
OWN = {"Origin": ADDRESS}


def client_of(output: str, reviewer: str = "ann", *, enter: bool = True) -> TestClient:
    """A browser at a studio of its own."""
    entry = Entry(8765, TOKEN, frozenset({"127.0.0.1", "localhost"}))
    app = make_app(entry, reviewer, Work(Review(output, Storage())))
    client = TestClient(app, base_url=ADDRESS, headers=OWN)
    if enter:
        assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


@pytest.fixture
def output(tmp_path: Path) -> str:
    return make_output(tmp_path)[0]


def said(image_id: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": DOG.id, "verdict": verdict, **more}


def say(client: TestClient, *verdicts: dict[str, Any], reviewer: str = "ann") -> int:
    body = {"reviewer": reviewer, "verdicts": verdicts}
    return client.post("/api/verdicts", json=body).status_code


def counted(output: str) -> dict[tuple[str, int], str]:
    newest = read_verdicts(Place.open(output, Storage()), "f")
    return {key: row["verdict"] for key, row in newest.items()}


def queue(client: TestClient, **wanted: Any) -> list[dict[str, Any]]:
    made = client.post("/api/queues", json=wanted).json()
    labels = client.get(f"/api/queues/{made['queue']}?count=200").json()["labels"]
    assert len(labels) == made["total"]
    return labels


def test_nothing_is_shown_without_the_token_or_with_another(output: str) -> None:
    client = client_of(output, enter=False)
    assert client.get("/api/output").status_code == 403
    assert client.get("/page/studio.js").status_code == 403
    assert client.get("/?token=guessed").status_code == 403
    assert client.get(f"/api/output?token={TOKEN}").status_code == 403  # only at the door


def test_the_token_lets_one_browser_in_and_its_cookie_stays_good(output: str) -> None:
    client = client_of(output)
    assert client.get("/").status_code == 200
    client.cookies.clear()
    answer = client.get(f"/?token={TOKEN}")
    assert answer.status_code == 403
    assert "once" in answer.text


def test_the_cookie_is_hidden_from_scripts_and_from_other_pages(output: str) -> None:
    answer = client_of(output, enter=False).get(f"/?token={TOKEN}")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert TOKEN not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8765"},
        {"Host": "127.0.0.1:8000"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_request_of_another_page_is_refused_even_with_the_cookie(
    output: str, headers: dict[str, str]
) -> None:
    client = client_of(output)
    assert client.get("/api/output", headers=headers).status_code == 403
    body = {"reviewer": "ann", "verdicts": [said("a/0", "rejected")]}
    assert client.post("/api/verdicts", json=body, headers=headers).status_code == 403
    assert not counted(output)


def test_writing_needs_an_origin(output: str) -> None:
    client = client_of(output)
    del client.headers["Origin"]
    assert say(client, said("a/0", "accepted")) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/page/../../../jobs/main.py", "/page/..%2f..%2fapp.py", "/page/%2e%2e/app.py",
        "/page//etc/passwd", "/api/labels/..%2f..%2fetc%2fpasswd/image",
        "/api/labels/-1/image", "/api/labels/999/image", "/api/labels/0x0/mask",
        "/docs", "/openapi.json",
    ],
)  # fmt: skip
def test_no_address_leads_to_a_file(output: str, path: str) -> None:
    assert client_of(output).get(path).status_code in {404, 422}


def test_a_body_of_no_end_is_refused_before_it_is_held(output: str) -> None:
    client = client_of(output)
    body = iter([b" " * 2**20] * 64)
    assert client.post("/api/verdicts", content=body).status_code == 413
    huge = {"Content-Length": str(MOST_BODY_BYTES + 1)}
    assert client.post("/api/verdicts", content=b"{}", headers=huge).status_code == 413


def test_labels_come_in_the_order_and_selection_asked_for(output: str) -> None:
    client = client_of(output)
    assert [label["image_id"] for label in queue(client, category_id=DOG.id, order="score")] == [
        f"a/{number}" for number in (5, 4, 3, 2, 1, 0)
    ]
    assert queue(client, order="small")[0]["image_id"] == "a/0"
    assert len(queue(client, show="empty")) == 5
    assert len(queue(client, show="all", order="random", seed=3)) == 12
    assert [label["image_id"] for label in queue(client, least_score=0.65, order="commit")] == [
        "a/3", "a/4", "a/5",
    ]  # fmt: skip


def test_labels_that_score_and_presence_rank_most_differently_come_first(tmp_path: Path) -> None:
    presences = (0.1, 0.9, 0.5, 0.8, 0.4)  # beside scores that rise from image to image
    rows = [
        row(f"{n}", DOG, square(4, 4, 9), score=n / 10) | {"presence": presence}
        for n, presence in enumerate(presences)
    ]
    commit_units(str(tmp_path), [(rows, [])])
    shown = queue(client_of(str(tmp_path)), order="disagreement")
    assert [label["image_id"] for label in shown] == ["1", "4", "0", "2", "3"]


def test_a_label_is_shown_with_its_image_and_its_mask(output: str) -> None:
    client = client_of(output)
    label = queue(client, category_id=DOG.id, order="commit")[0]
    mask = client.get(f"/api/labels/{label['label']}/mask").json()
    assert mask["size"] == [40, 40]
    assert sum(mask["runs"][1::2]) == 100
    picture = client.get(f"/api/labels/{label['label']}/image")
    assert picture.headers["content-type"] == "image/jpeg"
    tile = client.get(f"/api/labels/{label['label']}/tile")
    assert Image.open(io.BytesIO(tile.content)).size == (40, 40)
    lost = queue(client, category_id=DOG.id, order="commit")[5]
    answer = client.get(f"/api/labels/{lost['label']}/image")
    assert answer.status_code == 404
    assert "can no longer be read" in answer.json()["detail"]


def test_a_file_too_large_for_any_image_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(2 * 2**30)
    uri = str(tmp_path / "a.jpg")
    commit_units(str(tmp_path / "out"), [([row("a", DOG, square(0, 0, 5), uri=uri)], [])])
    answer = client_of(str(tmp_path / "out")).get("/api/labels/0/image")
    assert answer.status_code == 404
    assert "2147483648 bytes; the limit is" in answer.json()["detail"]


def test_what_was_labelled_is_shown_whatever_a_job_allows_now(output: str) -> None:
    review = Review(output, Storage(), limits=Limits(max_pixels=1))
    (label,) = review.index.find("a/0", DOG.id)
    assert Image.open(io.BytesIO(review.picture(label))).size == (40, 40)
    assert Image.open(io.BytesIO(review.tile(label))).size == (40, 40)


def test_the_newest_verdict_counts_and_an_undo_takes_it_back(output: str) -> None:
    client = client_of(output)
    assert say(client, said("a/0", "accepted"), said("a/1", "absent")) == 200
    assert say(client, said("a/0", "rejected"), said("a/1", "withdrawn")) == 200
    assert counted(output) == {("a/0", DOG.id): "rejected", ("a/1", DOG.id): "withdrawn"}
    assert {label["image_id"] for label in queue(client, category_id=DOG.id)} == {
        f"a/{number}" for number in range(1, 6)
    }
    assert [label["image_id"] for label in queue(client, state="rejected")] == ["a/0"]
    before = sorted(Path(output, "labels").iterdir())
    assert len(before) == 1  # labels are as they were


def test_two_reviewers_at_once_lose_nothing_of_each_other(output: str) -> None:
    ann, bob = client_of(output, "ann"), client_of(output, "bob")
    for number in range(3):
        assert say(ann, said(f"a/{number}", "accepted"), reviewer="ann") == 200
        assert say(bob, said(f"a/{number + 3}", "rejected"), reviewer="bob") == 200
        # The same person in two studios: both count on from the same number.
        assert say(bob, said(f"a/{number}", "accepted"), reviewer="ann") == 200
    assert len(counted(output)) == 6
    assert len(list(Path(output, "reviews").iterdir())) == 9
    # Once a queue is made, what the other has said is known.
    assert not queue(ann, category_id=DOG.id)
    (label,) = [one for one in queue(ann, state="any") if one["image_id"] == "a/4"]
    assert (label["verdict"], label["reviewer"]) == ("rejected", "bob")


def test_a_verdict_on_no_label_is_refused_with_its_whole_batch(output: str) -> None:
    client = client_of(output)
    assert say(client, said("a/0", "accepted"), said("../etc/passwd", "accepted")) == 400
    assert say(client, said("a/0", "accepted"), reviewer="../ann") == 400
    assert say(client, said("a/0", "perfect")) == 422
    assert not counted(output)


def test_a_corrected_mask_is_kept_pixel_for_pixel_and_one_that_is_none_is_refused(
    output: str,
) -> None:
    client = client_of(output)
    wanted = square(3, 5, 9)
    runs = run_lengths(encode_rle(wanted)["counts"])
    assert say(client, said("a/0", "corrected", runs=runs)) == 200
    label = queue(client, state="corrected")[0]
    assert client.get(f"/api/labels/{label['label']}/mask").json()["runs"] == runs
    for wrong in ([1], [-1, 1601], [10**12], []):
        assert say(client, said("a/0", "corrected", runs=wrong)) == 400


def test_a_name_that_is_markup_is_data(tmp_path: Path) -> None:
    rows = [row(HOSTILE, CAT, square(0, 0, 5)), row(HOSTILE, DOG, NOTHING)]
    commit_units(str(tmp_path), [(rows, [])])
    client = client_of(str(tmp_path))
    answer = client.post("/api/queues", json={})
    answer = client.get(f"/api/queues/{answer.json()['queue']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["labels"][0]["image_id"] == HOSTILE


def test_a_file_among_the_verdicts_that_holds_none_is_named(output: str) -> None:
    Path(output, "reviews").mkdir()
    Path(output, "reviews/ann-000000.parquet").write_bytes(b"text")
    with pytest.raises(BadStorage, match="holds no verdicts"):
        Review(output, Storage())


def test_an_output_without_a_commit_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="without a commit"):
        Review(str(tmp_path), Storage())
