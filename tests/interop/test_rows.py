"""What data set libraries and query engines count in an output and in its export, as docs say."""

import io
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

from pipeline.export.coco import export_coco
from pipeline.export.parquet import export_parquet
from pipeline.export.png import export_png
from schemas.job.storage import Storage
from tests.interop.made import NAMES, make

DOCS = (Path(__file__).parents[2] / "docs/exports.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


def snippet(word: str) -> str:
    """Return the one block of docs/exports.md with a word in it."""
    (found,) = [text for language, text in BLOCKS if word in text]
    return found


def run(code: str, folder: Path) -> dict[str, Any]:
    """Run a snippet in a folder; return its names."""
    names: dict[str, Any] = {}
    before = os.getcwd()
    os.chdir(folder)
    try:
        exec(code, names)  # noqa: S102
    finally:
        os.chdir(before)
    return names


def test_datasets_loads_the_committed_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    made = make(tmp_path)
    export_parquet(made.output, Storage(), str(tmp_path / "FOLDER"))
    rows = run(snippet("load_dataset"), tmp_path)["rows"]
    assert len(rows) == 10
    assert rows.features["score"].dtype == "float32"
    assert {row["file_name"] for row in rows} == set(NAMES)


def test_duckdb_counts_what_the_commit_lists(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    made = make(tmp_path)
    stray = Path(made.output) / "labels/0000000000000009-00000-last.parquet"
    stray.write_bytes(next((Path(made.output) / "labels").iterdir()).read_bytes())
    statements = snippet("SET VARIABLE").replace("OUTPUT", made.output).split(";")
    database = duckdb.connect()
    database.execute(statements[0])
    assert database.execute(statements[1]).fetchall() == [("cat", 4), ("dog", 1)]


def test_polars_counts_what_the_commit_lists(tmp_path: Path) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    made = make(tmp_path)
    rows = run(snippet("import polars").replace("OUTPUT", made.output), tmp_path)["rows"]
    assert len(rows) == 5


def test_cocoeval_matches_by_name_as_the_docs_do(tmp_path: Path) -> None:
    made = make(tmp_path)
    export_coco(made.output, Storage(), str(tmp_path / "X.json"))
    # The same masks, as a truth with categories of other numbers.
    truth = json.loads((tmp_path / "X.json").read_text())
    for category in truth["categories"]:
        category["id"] += 40
    for annotation in truth["annotations"]:
        annotation["category_id"] += 40
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    score = run(snippet("COCOeval"), tmp_path)["score"]
    assert score.stats[0] == pytest.approx(1)


def test_torchvision_reads_the_indices_of_png_masks(tmp_path: Path) -> None:
    made = make(tmp_path)
    export_png(made.output, Storage(), str(tmp_path / "png"))
    indices_HW = decode_image(str(tmp_path / "png/a/1.png"), ImageReadMode.UNCHANGED)[0].numpy()
    assert np.array_equal(indices_HW == 1, made.masks["a/1.jpg", "cat"])
    assert indices_HW.max() == 1


def test_torchvision_finds_the_images_of_a_coco_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # images are opened later than the snippet runs
    made = make(tmp_path)
    export_coco(made.output, Storage(), str(tmp_path / "X.json"))
    Path(made.images).rename(tmp_path / "IMAGES")
    photos = run(snippet("CocoDetection"), tmp_path)["photos"]
    found = [(photo.size, len(annotations)) for photo, annotations in photos]
    assert found == [((100, 80), number) for number in (1, 2, 0, 1, 1)]


def test_images_and_masks_of_one_folder_are_a_webdataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("webdataset", reason="webdataset is not installed")
    monkeypatch.chdir(tmp_path)
    made = make(tmp_path)
    export_png(made.output, Storage(), made.images)
    tar = snippet("tar --sort").splitlines()[-1].replace("PAIRS", made.images)
    subprocess.run(shlex.split(tar), cwd=tmp_path, check=True)
    pairs = list(run(snippet("import webdataset"), tmp_path)["pairs"])
    with Image.open(io.BytesIO(pairs[0][1])) as mask:
        assert np.array_equal(np.asarray(mask) == 1, made.masks["a/1.jpg", "cat"])
    assert len(pairs) == 5
