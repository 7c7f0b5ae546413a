"""Episodes depend on their number alone, favour no category, and never repeat a pair early."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.episodes.draw import (
    Episode,
    EpisodePool,
    describe,
    draw_episode,
    hash_episodes,
    held_out,
    make_pool,
    share_of,
)
from pipeline.episodes.folds import split
from schemas.errors import BadInput
from schemas.job.dataset import IMAGES_SCHEMA, Dataset
from schemas.job.episode import EpisodeSettings
from schemas.job.storage import Storage
from tests.made.data.datasets import LARGE, SMALL, CocoFiles, filled, png, write, write_folder

NAMES = ("person", "bicycle", "car", "cat", "dog")  # COCO-20i's folds 0, 1, 2, 3 and 0


def _index(dataset: dict[str, Any], folder: Path) -> DatasetIndex:
    checked = TypeAdapter(Dataset).validate_python(dataset)
    return open_index(checked, str(folder / "index"), Storage())


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    """Twenty-four images: each shows two neighbours of NAMES large and a third one small."""
    folder = tmp_path_factory.mktemp("coco")
    coco = CocoFiles(folder, NAMES)
    for number in range(24):
        first, second, third = (NAMES[(number + step) % len(NAMES)] for step in range(3))
        coco.image(number, **{first: LARGE, second: LARGE, third: SMALL})
    return _index(coco.save(), folder)


def _pool(index: DatasetIndex, **settings: Any) -> EpisodePool:
    ids = [category.id for category in index.commit.categories]
    return make_pool(index, ids, EpisodeSettings.model_validate({"per_epoch": 100, **settings}))


def _draw(pool: EpisodePool, numbers: range, seed: int = 1, epoch: int = 0) -> list[Episode]:
    return [draw_episode(pool, seed, epoch, number) for number in numbers]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
def test_any_number_of_workers_draws_the_same_episodes_each_once(
    index: DatasetIndex, workers: int
) -> None:
    pool = _pool(index, negative_share=0.3, references={"min": 1, "max": 3})
    alone = _draw(pool, range(16, 64))
    shares = [_draw(pool, share_of(16, 64, worker, workers)) for worker in range(workers)]
    together = sorted((e for share in shares for e in share), key=lambda e: e.number)
    assert together == alone
    assert hash_episodes(together) == hash_episodes(alone)


def test_an_episode_is_the_same_in_another_process_and_year(index: DatasetIndex) -> None:
    pool = _pool(index, negative_share=0.3, formats={"points": 1, "mask": 2})
    # Written down once (x86-64, numpy 2.4.6).
    assert hash_episodes(_draw(pool, range(50))) == (
        "0dfd05a67ccd9968a227fef64c536228265ea5c894dee5e88f3cd46602420f12"
    )


def test_every_run_of_as_many_episodes_as_categories_holds_each_once(index: DatasetIndex) -> None:
    episodes = _draw(_pool(index), range(100))
    for start in range(0, 100, len(NAMES)):
        assert len({e.category_id for e in episodes[start : start + len(NAMES)]}) == len(NAMES)


def test_no_pair_of_reference_and_target_comes_twice_before_all_have_come(
    index: DatasetIndex,
) -> None:
    pool = _pool(index, per_epoch=50)
    pairs = Counter(
        (episode.references[0].object, episode.target_object)
        for epoch in range(4)
        for episode in _draw(pool, range(50), epoch=epoch)
    )
    assert len(pairs) == 200
    # Nine or ten images of a category: 72 to 90 pairs, then each comes a second time.
    two_images = _pool(index, per_epoch=1000)
    counts = Counter(
        (e.references[0].object, e.target_object) for e in _draw(two_images, range(1000))
    )
    assert max(counts.values()) - min(counts.values()) <= 1


def test_seeds_and_epochs_give_other_episodes(index: DatasetIndex) -> None:
    pool = _pool(index)
    runs = [_draw(pool, range(40), seed, epoch) for seed, epoch in ((1, 0), (2, 0), (1, 1))]
    assert len({hash_episodes(run) for run in runs}) == 3


def test_references_are_distinct_show_the_category_large_and_are_not_the_target(
    index: DatasetIndex,
) -> None:
    areas_px = index.objects["area_px"].to_pylist()
    counts = set()
    for episode in _draw(_pool(index, references={"min": 1, "max": 4}), range(100)):
        rows = [reference.object for reference in episode.references]
        images = {int(index.image_of_object[row]) for row in rows}
        assert len(images) == len(rows)
        assert episode.target_image not in images
        assert episode.target_object is not None
        for row in (*rows, episode.target_object):
            assert index.category_of_object[row] == episode.category_id
            assert areas_px[row] >= 2048
        assert int(index.image_of_object[episode.target_object]) == episode.target_image
        counts.add(len(rows))
    assert counts == {1, 2, 3, 4}


def test_negative_targets_do_not_show_the_category_at_all(index: DatasetIndex) -> None:
    episodes = _draw(_pool(index, negative_share=0.25, per_epoch=2000), range(2000))
    negatives = [episode for episode in episodes if episode.target_object is None]
    assert 440 < len(negatives) < 560
    for episode in negatives:
        rows = index.objects_of(episode.target_image)
        # Not even small, as every image's third object is.
        assert episode.category_id not in index.category_of_object[rows.start : rows.stop]
    share = Counter(episode.category_id for episode in negatives)
    assert min(share.values()) > 60


def test_formats_come_as_often_as_their_weights_say(index: DatasetIndex) -> None:
    pool = _pool(index, formats={"mask": 3, "points": 1, "box": 0}, per_epoch=1000)
    forms = Counter(e.references[0].form for e in _draw(pool, range(1000)))
    assert forms.keys() == {"mask", "points"}
    assert 680 < forms["mask"] < 820


def test_the_order_of_formats_in_a_job_changes_nothing(index: DatasetIndex) -> None:
    one = _pool(index, formats={"mask": 1, "points": 1})
    other = _pool(index, formats={"points": 1, "mask": 1})
    assert _draw(one, range(20)) == _draw(other, range(20))


def test_training_on_a_fold_never_draws_its_novel_categories(index: DatasetIndex) -> None:
    fold = split("coco20i", 0, index.commit.categories)
    pool = make_pool(index, fold.training, EpisodeSettings(per_epoch=60))
    drawn = {episode.category_id for episode in _draw(pool, range(60))}
    assert drawn == {2, 3, 4}
    test_pool = make_pool(index, fold.novel, EpisodeSettings(per_epoch=60))
    assert {episode.category_id for episode in _draw(test_pool, range(60))} == {1, 5}


def test_held_out_images_are_in_no_training_episode(index: DatasetIndex) -> None:
    out = held_out(index, 0.3)
    assert 0 < out.sum() < len(out)
    ids = [category.id for category in index.commit.categories]
    pool = make_pool(index, ids, EpisodeSettings(per_epoch=100, negative_share=0.3), ~out)
    for episode in _draw(pool, range(100)):
        images = [int(index.image_of_object[r.object]) for r in episode.references]
        assert not out[[*images, episode.target_image]].any()
    assert np.array_equal(held_out(index, 0.3), out)
    assert not (out & ~held_out(index, 0.6)).any()


def test_parts_cut_out_of_one_photo_are_held_out_together(index: DatasetIndex) -> None:
    parts = [
        {"image_id": f"2008_{photo}@{part}", "crop_xyxy": [0, 0, 9, 9], "image_sha256": str(photo)}
        for photo in range(60)
        for part in range(3)
    ]
    images = pa.Table.from_pylist(parts, schema=IMAGES_SCHEMA)
    out = held_out(replace(index, images=images), 0.3).reshape(-1, 3)
    assert 0 < out.any(axis=1).sum() < 60
    assert np.array_equal(out.any(axis=1), out.all(axis=1))


def test_categories_in_one_image_only_are_left_out_and_named(tmp_path: Path) -> None:
    index = _index(write_folder(tmp_path / "p", {"cat": 3, "dog": 1}), tmp_path)
    pool = _pool(index)
    assert pool.too_few == (2,)
    assert {episode.category_id for episode in _draw(pool, range(10))} == {1}
    with pytest.raises(BadInput, match="fewer than two images"):
        make_pool(index, [2], EpisodeSettings())


def test_a_category_of_three_images_gives_at_most_two_references(tmp_path: Path) -> None:
    index = _index(write_folder(tmp_path / "p", {"cat": 3}), tmp_path)
    episodes = _draw(_pool(index, references={"min": 5, "max": 5}), range(20))
    assert {len(episode.references) for episode in episodes} == {2}


def test_negatives_of_a_folder_need_the_word_of_the_user(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "p", {"cat": 3, "dog": 3})
    with pytest.raises(BadInput, match="exhaustive"):
        _pool(_index(dataset, tmp_path / "a"), negative_share=0.5)
    said = _index({**dataset, "exhaustive": True}, tmp_path / "b")
    negatives = _draw(_pool(said, negative_share=1), range(20))
    assert all(describe(e, said)["negative"] for e in negatives)
    assert len({(e.references[0].object, e.target_image) for e in negatives}) > 8


def test_no_negative_lies_in_the_classs_folder_without_a_mask_that_can_be_used(
    tmp_path: Path,
) -> None:
    photos = tmp_path / "p"
    dataset = {**write_folder(photos, {"cat": 3, "dog": 5}), "exhaustive": True}
    for number in (1, 2, 3, 4):
        write(photos / f"cat/also-{number}.jpg", (photos / f"dog/{number}.jpg").read_bytes())
    write(photos / "cat/also-2.png", png(filled(LARGE))[:60])
    write(photos / "cat/also-3.png", png(filled(LARGE)[1:]))
    write(photos / "cat/also-4.png", png(filled(LARGE)))
    unmarked = write(tmp_path / "unmarked.json", b"{}")
    for place, more in (("a", {}), ("b", {"unmarked": str(unmarked)})):
        index = _index(dataset | more, tmp_path / place)
        ids = index.images["image_id"].to_pylist()
        (cats,) = (c for c in _pool(index).categories if c.category_id == 1)
        assert [ids[row] for row in cats.absent] == ["dog/0.jpg"]
        assert index.objects["state"].to_pylist().count("unusable") == 3


def test_no_negative_may_show_what_it_has_no_mask_of(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "p", {"cat": 3, "dog": 3})
    unmarked = tmp_path / "unmarked.json"
    unmarked.write_text('{"dog/0": ["cat"], "dog/1": ["cat"]}')
    said = _index({**dataset, "exhaustive": True, "unmarked": str(unmarked)}, tmp_path / "a")
    negatives = [describe(e, said) for e in _draw(_pool(said, negative_share=1), range(20))]
    assert {e["target"] for e in negatives if e["category"] == "cat"} == {"dog/2.jpg"}
    assert len({e["target"] for e in negatives if e["category"] == "dog"}) == 3
    with pytest.raises(ValidationError, match="exhaustive"):
        _index({**dataset, "unmarked": str(unmarked)}, tmp_path / "b")


def test_an_episode_is_described_by_names(index: DatasetIndex) -> None:
    description = describe(draw_episode(_pool(index), 1, 0, 0), index)
    assert description["category"] in NAMES
    assert isinstance(description["target"], str)


def test_formats_without_weight_are_refused() -> None:
    with pytest.raises(ValidationError, match="weigh nothing"):
        EpisodeSettings(formats={"mask": 0})
