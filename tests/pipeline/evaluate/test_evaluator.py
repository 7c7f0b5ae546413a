"""Predictions whose masks are known score what arithmetic says."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.datasets.index import open_index
from pipeline.episodes.load import EpisodeReader
from pipeline.evaluate.episodes import FoldEpisodes, draw_fold, variants_of
from pipeline.evaluate.evaluator import Evaluator, Settings
from pipeline.evaluate.scores import GAIN, Drawing, score
from schemas.job.evaluate import COUNTS_SCHEMA, EvaluateJob
from tests.made.data.datasets import HEIGHT, LARGE, WIDTH, filled, write_folder
from tests.made.jobs.evaluation import Drawn, a_job

RESULTS = pa.schema([("method", pa.string()), *COUNTS_SCHEMA])
OBJECT_PX = 60 * 60  # LARGE, in every image of write_folder
IMAGE_PX = HEIGHT * WIDTH


def everything(image_HW3: np.ndarray) -> np.ndarray:
    return np.ones(image_HW3.shape[:2], bool)


def nothing(image_HW3: np.ndarray) -> np.ndarray:
    return np.zeros(image_HW3.shape[:2], bool)


def the_object(image_HW3: np.ndarray) -> np.ndarray:
    return filled(LARGE, (image_HW3.shape[0], image_HW3.shape[1]))


def its_left_half(image_HW3: np.ndarray) -> np.ndarray:
    top, left, bottom, right = LARGE
    size_HW = (image_HW3.shape[0], image_HW3.shape[1])
    return filled((top, left, bottom, (left + right) // 2), size_HW)


WRONG = Drawn(everything=everything, nothing=nothing, exact=the_object, half=its_left_half)
NAMES = ("everything", "nothing", "exact", "half")


@pytest.fixture
def scored(tmp_path: Path) -> dict[tuple[str, str], float | None]:
    """Each method's value of each metric, over folds."""
    dataset = write_folder(tmp_path / "photos", {"cat": 4, "dog": 4})
    job = a_job(tmp_path, {**dataset, "exhaustive": True}, negative_share=0.3)
    rows, _ = _run(job, Drawn(**WRONG._masks))
    table = pa.Table.from_pylist(rows, schema=RESULTS)
    scores = score(table, {1: "cat", 2: "dog"}, Drawing(20, 0)).to_pylist()
    return {(row["method"], row["metric"]): row["value"] for row in scores if row["fold"] is None}


def _run(job: EvaluateJob, methods: Drawn) -> tuple[list[dict[str, object]], FoldEpisodes]:
    index = open_index(job.dataset, job.index, job.storage)
    fold = draw_fold(job, index, 0)
    settings = Settings(0, job.seed, variants_of(job), job.mask_logit)
    evaluator = Evaluator(EpisodeReader(index, job.storage), methods, settings)
    by_method = evaluator.count(fold.episodes, [n for n in NAMES if n in methods._masks])
    rows = [{"method": name, **row} for name, rows in by_method.items() for row in rows]
    return rows, fold


def test_a_mask_of_everything_scores_the_objects_share(
    scored: dict[tuple[str, str], float | None],
) -> None:
    assert scored["everything", "miou"] == OBJECT_PX / IMAGE_PX
    # On the grid the object's edges fall between pixels: within a pixel on each side.
    assert scored["everything", "miou_grid"] == pytest.approx(OBJECT_PX / IMAGE_PX, abs=0.005)
    assert scored["nothing", "miou_of_everything"] == OBJECT_PX / IMAGE_PX
    assert scored["everything", "fb_iou"] == OBJECT_PX / IMAGE_PX / 2
    assert scored["everything", "false_mask_rate"] == 1.0


def test_a_mask_of_nothing_scores_nothing(scored: dict[tuple[str, str], float | None]) -> None:
    assert scored["nothing", "miou"] == scored["nothing", "miou_grid"] == 0.0
    assert scored["nothing", "fb_iou"] == (1 - OBJECT_PX / IMAGE_PX) / 2
    assert scored["nothing", "boundary_iou"] == 0.0
    assert scored["nothing", "false_mask_rate"] == 0.0


def test_half_the_object_scores_half_and_the_object_one(
    scored: dict[tuple[str, str], float | None],
) -> None:
    assert scored["half", "miou"] == 0.5
    assert scored["half", "miou_grid"] == pytest.approx(0.5, abs=0.01)
    assert scored["exact", "miou"] == scored["exact", "boundary_iou"] == 1.0
    assert scored["exact", "miou_grid"] == pytest.approx(1.0, abs=0.01)


def test_methods_are_compared_with_the_first_on_the_same_episodes(
    scored: dict[tuple[str, str], float | None],
) -> None:
    assert ("everything", GAIN) not in scored
    for name in ("nothing", "exact", "half"):
        gain, own = scored[name, GAIN], scored[name, "miou_grid"]
        first = scored["everything", "miou_grid"]
        assert gain is not None
        assert own is not None
        assert first is not None
        assert gain == pytest.approx(own - first)


def test_presence_that_says_nothing_has_an_auroc_of_one_half(
    scored: dict[tuple[str, str], float | None],
) -> None:
    assert scored["exact", "presence_auroc"] == 0.5


def test_every_method_gets_each_variants_annotations_of_the_same_references(
    tmp_path: Path,
) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 4})
    job = a_job(
        tmp_path,
        dataset,
        formats=("mask", "box"),
        shots=(1, 2),
        mask_growth_px=(0, -5),
        episodes_per_fold=1,
    )
    methods = Drawn(exact=the_object, half=its_left_half)
    rows, fold = _run(job, methods)
    assert len(rows) == 2 * 2 * 2 * 2
    assert set(rows[0]) == {"method", *COUNTS_SCHEMA.names}
    for first, second in zip(methods.studied[::2], methods.studied[1::2], strict=True):
        assert (first[0], second[0]) == ("exact", "half")
        assert first[1] is second[1]
    drawn = [references[0].annotation for _, references in methods.studied[:4:2]]
    assert [int(mask_HW.sum()) for mask_HW in drawn if isinstance(mask_HW, np.ndarray)] == [
        OBJECT_PX,
        50 * 50,
    ]
    images = {references[0].id for _, references in methods.studied}
    assert len(images) == len(fold.episodes) == 1


def test_frames_are_scored_by_region_and_contour_over_objects() -> None:
    counted = {name: [0, 0, 0] for name in COUNTS_SCHEMA.names}
    rows = pa.Table.from_pydict(
        {
            **counted,
            "method": ["m"] * 3,
            "format": ["mask"] * 3,
            "negative": [False] * 3,
            "category_id": [1, 1, 2],
            "intersection_px": [1, 0, 3],
            "union_px": [2, 0, 4],  # of the second frame both masks are empty
            "score": [0.5] * 3,
            "presence": [None] * 3,
            "contour_f": [1.0, 0.0, 0.25],
        },
        schema=RESULTS,
    )
    scores = {
        row["metric"]: row["value"]
        for row in score(rows, {1: "a", 2: "b"}, Drawing(10, 0)).to_pylist()
        if row["fold"] is None
    }
    assert scores["davis_j"] == (0.75 + 0.75) / 2
    assert scores["davis_f"] == (0.5 + 0.25) / 2
    assert scores["davis_j_and_f"] == (0.625 + 0.5) / 2
