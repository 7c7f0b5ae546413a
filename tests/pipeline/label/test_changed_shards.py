"""A shard that is rewritten between two runs loses and doubles no image."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.output.audit import audit
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.storage import Storage
from tests.made.jobs.here import label_here
from tests.made.jobs.labelling import four_references, job_of
from tests.made.pixels.photos import photo, tar_of

# Of one size, as if each were padded; the second is no image and so a rejected row.
IMAGES = {
    f"{number}": (b"no image" if number == 1 else photo(number)).ljust(4096, b"\0")
    for number in range(7)
}
OTHER_ORDER = ["4", "2", "6", "3", "0", "5", "1"]


def a_tar(folder: Path, ids: Sequence[str]) -> dict[str, Any]:
    (folder / "a.tar").write_bytes(tar_of({f"{name}.jpg": IMAGES[name] for name in ids}))
    return {"type": "webdataset", "shards": str(folder / "a.tar")}


def a_parquet_file(folder: Path, ids: Sequence[str]) -> dict[str, Any]:
    table = pa.table({"id": list(ids), "image": [IMAGES[name] for name in ids]})
    pq.write_table(table, folder / "a.parquet", compression="none", use_dictionary=False)
    return {"type": "parquet", "files": str(folder / "a.parquet")}


@pytest.mark.parametrize("write", [a_tar, a_parquet_file])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_shard_rewritten_at_its_size_between_two_runs_is_refused_before_a_unit_is_done(
    write: Callable[[Path, Sequence[str]], dict[str, Any]], missing: int, tmp_path: Path
) -> None:
    spec = job_of(write(tmp_path, list(IMAGES)), f"{tmp_path}/out", four_references(tmp_path))
    whole, _ = label_here(spec)
    (part,) = (tmp_path / "out/labels").glob(f"*-{missing:05d}*")
    part.unlink()
    (tmp_path / "out/commit.json").unlink()
    write(tmp_path, OTHER_ORDER)
    with pytest.raises(BadStorage, match=r"changed since its first units(.|\n)*1 of the 3 images"):
        label_here(spec)
    assert not part.exists()
    write(tmp_path, list(IMAGES))
    assert label_here(spec)[0] == whole
    assert not list(audit(Place.open(f"{tmp_path}/out", Storage())))
