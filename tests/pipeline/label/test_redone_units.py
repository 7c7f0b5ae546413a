"""A finished job whose parts are damaged or gone is not called finished, and is mended."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.label.check import check
from pipeline.label.run import label
from pipeline.output.audit import audit
from pipeline.output.commit import read_commit
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from tests.made.jobs.here import label_here
from tests.made.jobs.labelling import four_references, job_of
from tests.made.pixels.photos import photo


@pytest.fixture
def job(tmp_path: Path) -> LabelJob:
    (tmp_path / "photos").mkdir()
    for number in range(5):
        (tmp_path / f"photos/{number}.jpg").write_bytes(photo(number))
    targets = {"type": "images", "uris": f"{tmp_path}/photos"}
    return job_of(targets, f"{tmp_path}/out", four_references(tmp_path))


def killed(*_: Any) -> Iterator[Any]:
    raise KeyboardInterrupt


def test_a_part_that_is_done_again_is_in_no_commit_until_it_is_whole(
    job: LabelJob, tmp_path: Path
) -> None:
    whole, _ = label_here(job)
    assert whole is not None
    gone, left = whole.parts
    (tmp_path / "out" / gone.path).unlink()
    with pytest.raises(KeyboardInterrupt):
        label(check(job), print, killed)
    output = Place.open(f"{tmp_path}/out", Storage())
    between = read_commit(output)
    assert between is not None
    assert between.parts == (left,)
    assert label_here(job)[0] == whole
    assert not list(audit(output))


def test_a_part_that_is_damaged_is_named_with_what_to_do_before_any_work(
    job: LabelJob, tmp_path: Path
) -> None:
    whole, _ = label_here(job)
    assert whole is not None
    damaged = tmp_path / "out" / whole.parts[0].path
    damaged.write_bytes(damaged.read_bytes()[:-20])
    checked = check(job)
    assert not checked.done
    with pytest.raises(BadStorage, match=rf"{damaged.name}(.|\n)*delete the file and run the job"):
        label(checked, print, killed)
    damaged.unlink()
    assert label_here(job)[0] == whole
