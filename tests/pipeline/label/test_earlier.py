"""A job that names an earlier output has the rows of a run from nothing, and asks for less."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from model.segmenter import LoadedReference
from pipeline.label import actor
from pipeline.label.check import check
from pipeline.output.audit import audit
from pipeline.storage.place import Place
from schemas.job.label import LabelJob
from schemas.job.storage import Output, Storage
from tests.made.jobs.changed import CHANGED, FIRST, Written, collection
from tests.made.jobs.here import label_here
from tests.made.networks.methods import METHODS, NANO, OTHER
from tests.made.pixels.photos import photo
from tests.made.servers.s3 import Bucket


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setenv("VRP_CACHE", str(tmp_path / "cache"))
    return collection(tmp_path)


@pytest.fixture
def studied(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Note the categories of each study of references, while the real method studies them."""
    categories: list[list[int]] = []
    load = actor.load_method

    def loading(*arguments: Any) -> Any:
        study = load(*arguments)

        def noting(references: Sequence[LoadedReference], *options: Any) -> Any:
            categories.append(sorted({one.category_id for one in references}))
            return study(references, *options)

        return noting

    monkeypatch.setattr(actor, "load_method", loading)
    return categories


def files(job: LabelJob) -> dict[str, bytes]:
    """Return the label parts and rejected parts of an output by name."""
    output = Path(job.output.uri)
    return {
        f"{folder}/{path.name}": path.read_bytes()
        for folder in ("labels", "rejected")
        for path in (output / folder).glob("*")
    }


def rows(job: LabelJob) -> list[dict[str, Any]]:
    parts = sorted((Path(job.output.uri) / "labels").iterdir())
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def test_its_files_are_those_of_a_run_from_nothing_and_only_changed_categories_are_asked_for(
    written: Written, studied: list[list[int]]
) -> None:
    label_here(written("first"))
    from_nothing = written("from-nothing", CHANGED)
    whole, _ = label_here(from_nothing)
    assert studied == [[1, 2, 3], [1, 2, 3, 4]]
    faster = written("faster", CHANGED, earlier="first")
    commit, receipts = label_here(faster)
    assert studied[2:] == [[2, 4]]
    assert files(faster) == files(from_nothing)
    assert commit == whole
    assert [receipt.taken for receipt in receipts] == [8, 4]
    assert not list(audit(Place.open(faster.output.uri, Storage())))


OTHERS = {
    "vrp": {"type": "vrp", "weights": "random:1", "sam": NANO, "backbone": OTHER},
    "vrp, the best of many": {
        "type": "vrp", "weights": "random:1", "sam": NANO, "backbone": OTHER, "best_references": 1,
    },
    **{name: {"sam": NANO, **METHODS[name]} for name in ("gp_sam both", "persam", "persam_f")},
}  # fmt: skip


@pytest.mark.parametrize("method", OTHERS.values(), ids=OTHERS)
def test_every_method_gives_the_masks_of_a_run_from_nothing(
    written: Written, method: dict[str, Any]
) -> None:
    shared = {"method": method, "instances": {"by": "components", "most": 3}}
    label_here(written("first", **shared))
    from_nothing = written("from-nothing", CHANGED, **shared)
    faster = written("faster", CHANGED, earlier="first", **shared)
    label_here(from_nothing)
    label_here(faster)
    for ours, theirs in zip(rows(faster), rows(from_nothing), strict=True):
        rounded = {"score", "stability", "presence", "reference_weights"}
        assert {k: v for k, v in ours.items() if k not in rounded} == {
            k: v for k, v in theirs.items() if k not in rounded
        }
        for name in ("score", "stability", "presence"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-5)


def test_where_no_category_changed_no_network_is_loaded_and_no_image_decoded(
    written: Written, studied: list[list[int]]
) -> None:
    label_here(written("first"))
    fewer = written("fewer", FIRST[:2], earlier="first")
    _, receipts = label_here(fewer)
    assert len(studied) == 1
    assert [receipt.seconds.decode for receipt in receipts] == [0, 0]
    from_nothing = written("from-nothing", FIRST[:2])
    label_here(from_nothing)
    assert files(fewer) == files(from_nothing)


def test_a_run_that_was_killed_goes_on_with_the_earlier_output(
    written: Written, studied: list[list[int]]
) -> None:
    label_here(written("first"))
    faster = written("faster", CHANGED, earlier="first")
    label_here(faster, most_units=1)
    commit, receipts = label_here(faster)
    assert [receipt.taken for receipt in receipts] == [4]
    assert commit is not None
    assert commit.counts.images == 7
    assert studied[1:] == [[2, 4], [2, 4]]


def test_a_finished_job_needs_its_earlier_output_no_more(written: Written, tmp_path: Path) -> None:
    label_here(written("first"))
    faster = written("faster", CHANGED, earlier="first")
    label_here(faster)
    (tmp_path / "first" / "commit.json").unlink()
    assert check(faster).done


def test_images_that_an_earlier_output_lacks_are_asked_for_all_categories(
    written: Written, studied: list[list[int]], tmp_path: Path
) -> None:
    label_here(written("first"))
    (tmp_path / "photos" / "7.jpg").write_bytes(photo(7))
    (tmp_path / "photos" / "8.jpg").write_bytes(photo(8))
    faster = written("faster", CHANGED, earlier="first")
    _, receipts = label_here(faster)
    assert [receipt.taken for receipt in receipts] == [8, 0, 0]
    assert studied[1:] == [[2, 4], [1, 2, 3, 4]]
    smaller = written("smaller", CHANGED, earlier="first", compute={"images_per_unit": 3})
    _, receipts = label_here(smaller)
    assert [receipt.taken for receipt in receipts] == [0, 0, 0]


def test_an_image_that_was_rejected_and_can_be_read_now_is_labelled_with_all_categories(
    written: Written, tmp_path: Path
) -> None:
    label_here(written("first"))
    (tmp_path / "photos" / "6.jpg").write_bytes(photo(6))
    for output, shown in (("faster", CHANGED), ("fewer", FIRST[:2])):
        job = written(output, shown, earlier="first")
        commit, receipts = label_here(job)
        assert commit is not None
        assert commit.counts.rejected == 0
        assert receipts[1].taken == 0
        from_nothing = written(f"{output}-from-nothing", shown)
        label_here(from_nothing)
        assert files(job) == files(from_nothing)


def test_an_image_replaced_by_one_of_another_size_has_no_earlier_rows(
    written: Written, tmp_path: Path
) -> None:
    label_here(written("first"))
    (tmp_path / "photos" / "0.jpg").write_bytes(photo(50, (70, 50)))
    faster, from_nothing = (
        written("faster", CHANGED, earlier="first"),
        written("from-nothing", CHANGED),
    )
    _, receipts = label_here(faster)
    label_here(from_nothing)
    assert [receipt.taken for receipt in receipts] == [0, 4]
    assert files(faster) == files(from_nothing)


def test_a_part_that_is_not_the_one_committed_is_not_trusted(
    written: Written, tmp_path: Path
) -> None:
    commit, _ = label_here(written("first"))
    assert commit is not None
    part = tmp_path / "first" / commit.parts[0].path
    part.chmod(0o644)
    part.write_bytes((tmp_path / "first" / commit.parts[1].path).read_bytes())
    _, receipts = label_here(written("faster", CHANGED, earlier="first"))
    assert [receipt.taken for receipt in receipts] == [0, 4]


def test_references_of_a_category_in_another_order_are_asked_for_anew(written: Written) -> None:
    label_here(written("first", CHANGED))
    turned = written("turned", (*FIRST[:1], ("cow", 3), *FIRST[1:], CHANGED[4]), earlier="first")
    from_nothing = written("from-nothing", (*FIRST[:1], ("cow", 3), *FIRST[1:], CHANGED[4]))
    label_here(turned)
    label_here(from_nothing)
    assert files(turned) == files(from_nothing)


def test_on_s3_its_rows_are_those_of_a_run_from_nothing(written: Written, bucket: Bucket) -> None:
    for number in range(6):
        bucket.put(f"photos/{number}.jpg", photo(number))
    stored = {
        "targets": {"type": "images", "uris": f"{bucket.uri}/photos/"},
        "storage": bucket.storage,
    }

    def job(output: str, shown: Sequence[tuple[str, int]], earlier: str | None = None) -> LabelJob:
        there = Output(uri=f"{bucket.uri}/{output}")
        before = None if earlier is None else f"{bucket.uri}/{earlier}"
        made = written("", shown, **stored)
        return made.model_copy(update={"output": there, "earlier": before})

    label_here(job("first", FIRST))
    commit, receipts = label_here(job("faster", CHANGED, "first"))
    assert [receipt.taken for receipt in receipts] == [8, 4]
    whole, _ = label_here(job("from-nothing", CHANGED))
    assert commit == whole


def test_where_nothing_is_taken_over_the_references_are_studied_once(
    written: Written, studied: list[list[int]]
) -> None:
    label_here(written("first"))
    _, receipts = label_here(written("new", earlier="first", overlaps="argmax"))
    assert studied[1:] == [[1, 2, 3]]
    assert [receipt.taken for receipt in receipts] == [0, 0]
