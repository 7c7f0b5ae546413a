"""The images of a commit become files, upright, under the names that its exports give."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.export.image_files import COLUMNS, export_images
from pipeline.images.decode import decode_image
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.compute import Limits
from schemas.job.storage import Storage
from tests.made.data.datasets import HEIGHT, WIDTH, filled, jpeg
from tests.made.outputs.committed import Kind, commit_units, label_rows, rejected_row
from tests.made.pixels.tars import make_tar
from tests.made.servers.s3 import Bucket

MASKS = {"cat": filled((8, 8, 68, 68)), "dog": np.zeros((80, 100), bool)}
FILES = {"b.jpg": jpeg(1), "a.jpg": jpeg(2), "not-labelled.jpg": jpeg(3)}


def _commit(output: Path, uris: dict[str, str], source: Kind, orientation: int = 1) -> str:
    rows = [
        row | {"exif_orientation": orientation}
        for image_id, uri in uris.items()
        for row in label_rows(image_id, MASKS, uri=uri)
    ]
    commit_units(str(output), [(rows, [rejected_row("x")])], source=source)
    return str(output)


def _files(folder: Path) -> dict[str, bytes]:
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != "rejected.json"}


def test_members_of_a_tar_are_copied_under_their_shard(tmp_path: Path) -> None:
    (tmp_path / "s-0.tar").write_bytes(make_tar(list(FILES.items())))
    uris = {f"s-0/{name[0]}": f"{tmp_path}/s-0.tar#{name}" for name in ("b.jpg", "a.jpg")}
    output = _commit(tmp_path / "out", uris, "webdataset")
    exported = export_images(output, Storage(), str(tmp_path / "to"))
    assert (exported.images, exported.rejected) == (2, 1)
    wanted = {f"s-0/{name}": FILES[name] for name in ("a.jpg", "b.jpg")}
    assert _files(tmp_path / "to") == wanted


def test_single_files_are_copied_from_s3_to_s3(tmp_path: Path, bucket: Bucket) -> None:
    uris = {f"in/{name}": bucket.put(f"in/{name}", FILES[name]) for name in ("b.jpg", "a.jpg")}
    output = _commit(tmp_path / "out", uris, "images")
    for _ in range(2):  # the second finds the first's files
        export_images(output, bucket.storage, f"{bucket.uri}/to")
    assert Place.open(f"{bucket.uri}/to/in/a.jpg", bucket.storage).read() == FILES["a.jpg"]


def test_rows_of_parquet_become_files_of_the_format_that_their_name_says(tmp_path: Path) -> None:
    table = pa.table({"key": ["p0", "p1.jpg"], "bytes": [FILES["a.jpg"], FILES["b.jpg"]]})
    pq.write_table(table, tmp_path / "a.parquet")
    uris = {"p0": f"{tmp_path}/a.parquet#0", "p1.jpg": f"{tmp_path}/a.parquet#1"}
    output = _commit(tmp_path / "out", uris, "parquet")
    columns = COLUMNS.model_copy(update={"image_column": "bytes", "id_column": "key"})
    export_images(output, Storage(), str(tmp_path / "to"), columns)
    files = _files(tmp_path / "to")
    assert files.keys() == {"p0.png", "p1.jpg"}
    assert files["p1.jpg"] == FILES["b.jpg"]
    with Image.open(io.BytesIO(files["p0.png"])) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), decode_image(FILES["a.jpg"], Limits()).pixels_HW3)


@pytest.mark.parametrize("name", ["1.jpg", "1.webp", "1.png", "1.tif"])
def test_a_turned_file_is_written_upright(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(jpeg(1, orientation=6))
    output = _commit(tmp_path / "out", {name: f"{tmp_path}/{name}"}, "images", orientation=6)
    export_images(output, Storage(), str(tmp_path / "to"))
    with Image.open(tmp_path / "to" / name) as image:
        assert image.size == (WIDTH, HEIGHT)  # stored, its sides are the other way round
        assert 0x0112 not in image.getexif()
        assert image.format == {"jpg": "JPEG", "tif": "TIFF"}.get(name[2:], name[2:].upper())
        wanted_HW3 = decode_image(jpeg(1, orientation=6), Limits()).pixels_HW3
        difference = np.asarray(image).astype(int) - wanted_HW3
    assert np.abs(difference).mean() < (2 if name == "1.jpg" else 1e-9)


def test_images_that_are_gone_are_counted_and_the_others_written(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FILES["a.jpg"])
    uris = {name: f"{tmp_path}/{name}" for name in ("a.jpg", "b.jpg")}
    output = _commit(tmp_path / "out", uris, "images")
    with pytest.raises(BadStorage, match="1 of 2 gone"):
        export_images(output, Storage(), str(tmp_path / "to"))
    assert _files(tmp_path / "to") == {"a.jpg": FILES["a.jpg"]}


def test_another_image_than_was_labelled_is_told_and_not_written(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    uris = {name: f"{tmp_path}/{name}" for name in ("a.jpg", "b.jpg")}
    output = _commit(tmp_path / "out", uris, "images")
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(tmp_path / "b.jpg")
    with pytest.raises(BadStorage, match="1 of 2 gone, or of another size"):
        export_images(output, Storage(), str(tmp_path / "to"))
    assert _files(tmp_path / "to") == {"a.jpg": FILES["a.jpg"]}
