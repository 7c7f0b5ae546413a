"""Episodes of an evaluation: distinct, balanced, the same for all, and named by contents."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.datasets.index import DatasetIndex, build_index, open_index
from pipeline.evaluate.episodes import draw_fold, hash_manifest, manifest
from pipeline.evaluate.units import cut
from schemas.errors import BadInput
from schemas.job.evaluate import EPISODES_SCHEMA, EvaluateJob
from tests.made.data.datasets import (
    LARGE,
    CocoFiles,
    filled,
    jpeg,
    png,
    rle_of,
    write,
    write_folder,
)
from tests.made.jobs.evaluation import a_job


@pytest.fixture
def opened(tmp_path: Path) -> tuple[EvaluateJob, DatasetIndex]:
    dataset = write_folder(tmp_path / "photos", {"cat": 7, "dog": 7, "hat": 6, "cup": 3})
    dataset["exhaustive"] = True
    job = a_job(
        tmp_path,
        dataset,
        formats=("mask", "points"),
        shots=(1, 5),
        episodes_per_fold=60,
        negative_share=0.25,
    )
    return job, open_index(job.dataset, job.index, job.storage)


def test_episodes_are_distinct_and_as_many_of_each_category(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    fold = draw_fold(job, index, 0)
    pairs = {
        (e.references[0].object, e.target_image, e.target_object is None) for e in fold.episodes
    }
    assert len(pairs) == len(fold.episodes) == 60
    assert set(Counter(e.category_id for e in fold.episodes).values()) == {20}
    assert 5 <= sum(e.target_object is None for e in fold.episodes) <= 25
    for episode in fold.episodes:
        shown = {int(index.image_of_object[r.object]) for r in episode.references}
        assert len(shown) == 5
        assert episode.target_image not in shown


def test_a_category_in_fewer_images_than_an_episode_needs_is_named(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    names = {category.id: category.name for category in index.commit.categories}
    assert [names[number] for number in draw_fold(job, index, 0).too_few] == ["cup"]
    with pytest.raises(BadInput, match="enough images"):
        draw_fold(job.model_copy(update={"shots": (7,)}), index, 0)


def test_a_category_whose_pairs_are_used_up_gives_no_pair_twice(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 3, "dog": 8})
    job = a_job(tmp_path, dataset, episodes_per_fold=40)
    fold = draw_fold(job, open_index(job.dataset, job.index, job.storage), 0)
    assert Counter(e.category_id for e in fold.episodes) == {1: 6, 2: 20}


def test_swapped_targets_use_up_the_pairs_of_either_kind_and_their_share_is_what_they_show(
    tmp_path: Path,
) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 4, "dog": 4}) | {"exhaustive": True}
    job = a_job(tmp_path, dataset, absent="swapped", negative_share=0.75, episodes_per_fold=32)
    index = open_index(job.dataset, job.index, job.storage)
    few = draw_fold(job, index, 0)
    kinds = Counter((e.category_id, e.target_object is None) for e in few.episodes)
    # Twelve pairs with the category and sixteen without: none is lost before they are used up.
    assert max(kinds.values()) <= 16
    assert len(few.episodes) == 32
    many = draw_fold(job.model_copy(update={"episodes_per_fold": 400}), index, 0)
    there = sum(e.target_object is not None for e in many.episodes)
    assert (there, len(many.episodes)) == (2 * 12, 2 * 28)
    assert many.share == pytest.approx((24 + 1) / (56 + 2))


def test_all_pairs_are_every_reference_with_every_other_image(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 3, "dog": 4})
    job = a_job(tmp_path, dataset, episodes_per_fold="all")
    fold = draw_fold(job, open_index(job.dataset, job.index, job.storage), 0)
    assert Counter(e.category_id for e in fold.episodes) == {1: 3 * 2, 2: 4 * 3}


def test_of_a_sequence_every_later_image_is_a_target_of_the_first(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 3, "dog": 5})
    dataset["first_is_reference"] = True
    job = a_job(tmp_path, dataset, episodes_per_fold="all")
    index = open_index(job.dataset, job.index, job.storage)
    rows = manifest(job, index, [draw_fold(job, index, 0)]).to_pylist()
    assert sorted((*row["references"], row["target"]) for row in rows) == [
        (f"{name}/0.jpg", f"{name}/{number}.jpg")
        for name, images in (("cat", 3), ("dog", 5))
        for number in range(1, images)
    ]


def test_all_formats_and_shots_share_references_and_targets(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    table = manifest(job, index, [draw_fold(job, index, 0)])
    assert table.schema == EPISODES_SCHEMA
    rows = table.to_pylist()
    assert len(rows) == 60 * 4
    for episode in range(60):
        same = [row for row in rows if row["episode"] == episode]
        assert {(row["format"], row["shots"]) for row in same} == {
            (form, shots) for form in ("mask", "points") for shots in (1, 5)
        }
        assert len({(row["target"], row["negative"], row["category"]) for row in same}) == 1
        longest = max((row["references"] for row in same), key=len)
        assert all(row["references"] == longest[: row["shots"]] for row in same)


def test_the_same_job_has_the_same_episodes_and_hash(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened

    def digest(job: EvaluateJob) -> str:
        return hash_manifest(manifest(job, index, [draw_fold(job, index, 0)]), index)

    assert digest(job) == digest(job.model_copy())
    assert digest(job) != digest(job.model_copy(update={"seed": 1}))
    assert digest(job) != digest(job.model_copy(update={"formats": ("mask", "box")}))


def test_the_hash_is_of_the_data_and_not_of_where_it_lies(tmp_path: Path) -> None:
    digests = []
    for place, images in (("here", 4), ("there", 4), ("else", 5)):
        folder = tmp_path / place
        job = a_job(folder, write_folder(folder / "photos", {"cat": images}))
        index = open_index(job.dataset, job.index, job.storage)
        digests.append(hash_manifest(manifest(job, index, [draw_fold(job, index, 0)]), index))
    assert digests[0] == digests[1] != digests[2]


def test_the_hash_is_of_every_mask_and_photo(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 4})
    coco = CocoFiles(tmp_path / "coco", ("cat",))
    for number in range(4):
        coco.image(number, cat=LARGE)

    def digest(dataset: dict[str, Any]) -> str:
        job = a_job(tmp_path, dataset)
        index = build_index(job.dataset, job.index, job.storage)
        return hash_manifest(manifest(job, index, [draw_fold(job, index, 0)]), index)

    digests = [digest(dataset)]
    moved = np.roll(filled(LARGE), 5, axis=1)  # as many pixels, elsewhere
    write(tmp_path / "photos/cat/0.png", png(moved * 255))
    digests.append(digest(dataset))
    write(tmp_path / "photos/cat/0.jpg", jpeg(99))
    digests += [digest(dataset), digest(coco.save())]
    coco.document["annotations"][0]["segmentation"] = rle_of(moved)
    digests.append(digest(coco.save()))
    assert len(set(digests)) == len(digests)


def test_novel_and_base_categories_of_a_fold_have_no_episode_in_common(tmp_path: Path) -> None:
    files = CocoFiles(tmp_path / "coco", ("person", "bicycle", "car", "motorcycle"))
    for number in range(12):
        names = ("person", "bicycle", "car", "motorcycle")
        files.image(number, **{names[number % 4]: (8, 8, 68, 68)})
    job = a_job(tmp_path, files.save(), protocol="coco20i", folds=(1,))
    index = open_index(job.dataset, job.index, job.storage)
    novel = draw_fold(job, index, 1)
    base = draw_fold(job.model_copy(update={"classes": "base"}), index, 1)
    assert {e.category_id for e in novel.episodes} == {2}
    assert {e.category_id for e in base.episodes} == {1, 3, 4}


def test_units_hold_every_episode_once_with_equal_targets_together(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    fold = draw_fold(job, index, 0)
    units = cut([fold], 8)
    ordered = [episode for unit in units for episode in unit.episodes]
    assert sorted(e.number for e in ordered) == [e.number for e in fold.episodes]
    assert [e.target_image for e in ordered] == sorted(e.target_image for e in ordered)
    assert len({unit.name for unit in units}) == len(units) == 8
