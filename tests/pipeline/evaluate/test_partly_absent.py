"""Several categories asked of one target, of which it shows all, some or none."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from torch import Tensor

from model.segmenter import LoadedReference, Prediction
from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.episodes.draw import Episode, EpisodeReference, make_pool
from pipeline.episodes.load import EpisodeReader
from pipeline.episodes.partly_absent import draw_partly
from pipeline.evaluate.episodes import by_number, draw_fold, manifest, variants_of
from pipeline.evaluate.evaluator import Evaluator, Settings
from pipeline.evaluate.scores import Drawing, score
from pipeline.evaluate.units import cut
from schemas.errors import BadInput
from schemas.job.episode import EpisodeSettings
from schemas.job.evaluate import COUNTS_SCHEMA, EvaluateJob
from tests.made.data.datasets import CocoFiles, filled, write_folder
from tests.made.jobs.evaluation import a_job

LEFT, RIGHT = (10, 5, 70, 45), (10, 55, 70, 95)
NAMES = ("cat", "dog", "cup")
CAT, DOG, CUP = 1, 2, 3


@pytest.fixture
def opened(tmp_path: Path) -> tuple[EvaluateJob, DatasetIndex]:
    files = CocoFiles(tmp_path / "coco", NAMES)
    shown = ({"cat": LEFT}, {"cat": LEFT, "dog": RIGHT}, {"cup": RIGHT}, {"dog": LEFT})
    for number in range(12):
        files.image(number, **shown[number % 4])
    job = a_job(tmp_path, files.save(), ways=2, episodes_per_fold=120, min_area_px=500)
    return job, open_index(job.dataset, job.index, job.storage)


class LeftOnly:
    """A method that finds a cat on the left of every image, and of no dog anything."""

    def __init__(self) -> None:
        self.studied: list[set[int]] = []
        self.images = 0

    def study(self, name: str, references: Sequence[LoadedReference]) -> "LeftOnly":
        assert name == "left"
        self.studied.append({reference.category_id for reference in references})
        return self

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        self.images += len(images)
        left_HW = filled(LEFT)
        masks = {CAT: left_HW, DOG: np.zeros_like(left_HW)}
        found = tuple(
            Prediction(number, np.where(mask_HW, 8.0, -8.0), score=0.5, frame="squash")
            for number, mask_HW in masks.items()
        )
        return [found for _ in images]


def asked_of(index: DatasetIndex, number: int, target: int, references: dict[int, int]) -> Episode:
    """Return what is asked of a target for the category of one reference, by images' rows."""
    [(category_id, image)] = references.items()
    rows = {
        (int(index.image_of_object[row]), int(index.category_of_object[row])): row
        for row in range(len(index.objects))
    }
    reference = EpisodeReference(rows[image, category_id], "mask")
    shown = rows.get((target, category_id))
    return Episode(0, 0, number, category_id, (reference,), target, shown)


def test_a_target_that_shows_one_of_two_both_or_none_is_counted_by_hand(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    only_cat, both, neither = 0, 1, 2
    episodes = [
        asked_of(index, number, target, reference)
        for number, target in enumerate((only_cat, both, neither))
        for reference in ({CAT: 4}, {DOG: 7})
    ]
    method = LeftOnly()
    settings = Settings(0, job.seed, variants_of(job), job.mask_logit, kept=True)
    rows = Evaluator(EpisodeReader(index, job.storage), method, settings).count(episodes, ["left"])
    assert method.images == 3
    assert method.studied == [{CAT, DOG}] * 3
    table = pa.Table.from_pylist(
        [{"method": "left", **row} for row in rows["left"]],
        schema=pa.schema([("method", pa.string()), *COUNTS_SCHEMA]),
    )
    scores = score(table, dict(enumerate(NAMES, 1)), Drawing(20, 0)).to_pylist()
    value = {(row["metric"], row["category"]): row["value"] for row in scores}
    # Said of each: a cat, no dog. So the first is right, the second lacks a dog, the third a cat.
    assert value["exact_ratio", None] == pytest.approx(1 / 3)
    assert value["decision_accuracy", None] == pytest.approx(4 / 6)
    assert value["decision_accuracy", "cat"] == pytest.approx(2 / 3)
    assert value["decision_accuracy", "dog"] == pytest.approx(2 / 3)
    # A cat's pixels are claimed three times and right twice; a dog's never.
    assert value["miou_kept", None] == pytest.approx((2 / 3 + 0) / 2)
    # Of targets that show the category alone, as few-shot segmentation has it.
    assert value["miou", None] == pytest.approx((1 + 0) / 2)
    counted = {row["metric"]: row["episodes"] for row in scores if row["category"] is None}
    assert counted["exact_ratio"] == 3


def test_an_episode_asks_its_target_for_as_many_categories_as_the_job_says(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    fold = draw_fold(job, index, 0)
    groups = list(by_number(fold.episodes))
    assert len(groups) > 60
    shown = []
    for group in groups:
        ids = [episode.category_id for episode in group]
        assert ids == sorted(set(ids))
        assert len(ids) == 2
        [target] = {episode.target_image for episode in group}
        for episode in group:
            [reference] = episode.references
            assert index.image_of_object[reference.object] != target
        shown.append(sum(episode.target_object is not None for episode in group))
    assert set(shown) == {0, 1, 2}
    assert abs(fold.share - sum(shown) / (2 * len(groups))) < 0.01
    assert fold == draw_fold(job, index, 0)


def test_a_lone_category_is_the_targets_own_in_half_of_the_episodes(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    _, index = opened
    settings = EpisodeSettings(per_epoch=3000, min_area_px=500)
    pool = make_pool(index, (CAT, DOG, CUP), settings)
    asked = [draw_partly(pool, 1, 0, number)[0] for number in range(3000)]
    lone = [e.target_object is not None for e in asked if e.target_image % 4 != 1]
    assert abs(np.mean(lone) - 0.5) < 0.03


def test_units_and_the_manifest_keep_what_is_asked_of_one_target_together(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    fold = draw_fold(job, index, 0)
    numbers = [{episode.number for episode in unit.episodes} for unit in cut([fold], 8)]
    assert sum(len(found) for found in numbers) == len(set().union(*numbers))
    assert {unit.share for unit in cut([fold], 8)} == {fold.share}
    rows = manifest(job, index, [fold]).to_pylist()
    assert len(rows) == len(fold.episodes)
    keys = [key for row in rows for key in row["annotation_seeds"]]
    assert len(set(keys)) == len(keys)


def test_partly_absent_needs_a_data_set_that_says_what_is_absent(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 3, "dog": 3})
    job = a_job(tmp_path, dataset, absent="partly")
    index = open_index(job.dataset, job.index, job.storage)
    with pytest.raises(BadInput, match="does not say what is absent"):
        draw_fold(job, index, 0)


def test_more_categories_an_episode_than_there_are_is_refused(
    opened: tuple[EvaluateJob, DatasetIndex],
) -> None:
    job, index = opened
    with pytest.raises(BadInput, match="too few categories"):
        draw_fold(job.model_copy(update={"ways": 4}), index, 0)
