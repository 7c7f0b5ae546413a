"""What no page sends is refused with a sentence, and never ends in a fault of the server's own."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from jobs.review.work import open_work
from pipeline.studio.app import make_app
from pipeline.studio.gate import Entry
from schemas.job.storage import Storage
from tests.made.jobs.commands import photo_folder, write_job
from tests.made.outputs.labels import DOG
from tests.made.outputs.output import make_output

ADDRESS = "http://127.0.0.1:8765"
TOKEN = "token-of-this-test-0"
BODY = '{"reviewer": "ann", "verdicts": [%s]}'
SAID = '{"image_id": "a/0", "category_id": %s, "verdict": "%s", "seconds": %s}'


def client_of(what: Path | str) -> TestClient:
    app = make_app(
        Entry(8765, TOKEN, frozenset({"127.0.0.1"})), "ann", open_work(str(what), Storage())
    )
    headers = {"Origin": ADDRESS, "Content-Type": "application/json"}
    client = TestClient(app, base_url=ADDRESS, headers=headers)
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (SAID % (DOG.id, "accepted", "NaN"), "seconds: "),
        (SAID % (DOG.id, "accepted", "Infinity"), "seconds: is not below"),
        (SAID % (DOG.id, "\\ud800", 0), "is not text"),
        (SAID % (10**25, "accepted", 0), "category_id: is not below 2147483648"),
        ('{"\\ud800": 1}', "body.verdicts.0: is not text"),
        ("", "is not JSON"),
    ],
)
def test_a_verdict_of_no_sense_is_refused_with_a_sentence(
    tmp_path: Path, said: str, fault: str
) -> None:
    client = client_of(make_output(tmp_path)[0])
    body = BODY % said if said else "{"
    answer = client.post("/api/verdicts", content=body)
    assert answer.status_code == 422
    assert fault in answer.json()["detail"]


@pytest.mark.parametrize(
    "asked",
    [
        '{"points": [[1e300, 5]], "on": [true]}',
        '{"points": [[NaN, 5]], "on": [true]}',
        '{"box": [0, 0, Infinity, 5]}',
    ],
)
def test_a_click_at_no_place_is_refused(tmp_path: Path, asked: str) -> None:
    client = client_of(photo_folder(tmp_path) / "photos")
    assert client.post("/api/images/0/click", content=asked).status_code == 422


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "box", "xyxy": [500, 500, 600, 600]},
        {"type": "points", "points": [[5, 5], [500, 5]]},
        {"type": "scribbles", "strokes": [[[5, 5], [5, -9]]]},
    ],
)
def test_what_is_drawn_outside_an_image_is_refused_before_it_is_saved(
    tmp_path: Path, annotation: dict[str, Any]
) -> None:
    job = Path(write_job(photo_folder(tmp_path)))
    before = job.read_text()
    client = client_of(job)
    reference = {"image": 0, "category": "cat", "annotation": annotation}
    version = client.get("/api/job").json()["version"]
    answer = client.post("/api/job", json={"version": version, "references": [reference]})
    assert answer.status_code == 400
    assert "outside its image" in answer.json()["detail"]
    assert job.read_text() == before
    assert client.post("/api/trial/keep", json={"min_area_px": 10**30}).status_code == 422
