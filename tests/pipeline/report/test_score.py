"""Labels against truth whose overlaps are counted by hand."""

import json
from pathlib import Path

import pytest

from pipeline.report.score import Scores, score_labels
from pipeline.report.truth import read_truth
from schemas.errors import BadInput
from schemas.job.storage import Storage
from tests.made.outputs.labels import CAT, DOG, NOTHING, instances, row, square, table

CATEGORIES = (CAT, DOG)


def scored(tmp_path: Path, truth: dict, *rows: dict) -> Scores:
    known = read_truth(instances(tmp_path / "truth.json", truth), Storage(), CATEGORIES)
    return score_labels([table(*rows)], CATEGORIES, known)


def test_iou_is_the_sum_of_intersections_over_the_sum_of_unions(tmp_path: Path) -> None:
    scores = scored(
        tmp_path,
        {"a.png": {"dog": [square(0, 0, 10)]}, "b.png": {"dog": [square(0, 0, 20)]}},
        row("a.png", DOG, square(0, 0, 10)),
        row("b.png", DOG, square(10, 0, 20)),
    )
    dog = scores.categories[1]
    assert (dog.intersection_px, dog.union_px) == (100 + 200, 100 + 600)
    assert dog.iou == pytest.approx(3 / 7)
    assert scores.categories[0].iou is None  # no image shows a cat
    assert scores.miou == dog.iou


def test_instances_of_a_category_count_as_one_mask(tmp_path: Path) -> None:
    pair = [square(0, 0, 10), square(20, 20, 10)]
    scores = scored(tmp_path, {"a.png": {"cat": pair}}, row("a.png", CAT, pair[0] | pair[1]))
    assert scores.categories[0].iou == 1.0


def test_a_mask_in_an_image_without_the_category_is_false_above_one_percent(tmp_path: Path) -> None:
    one_percent_px = 16  # of 40 x 40
    scores = scored(
        tmp_path,
        {name: {} for name in ("a.png", "b.png", "c.png")},
        row("a.png", DOG, square(0, 0, 4)),
        row("b.png", DOG, square(0, 0, 5)),
        row("c.png", DOG, NOTHING),
    )
    dog = scores.categories[1]
    assert square(0, 0, 4).sum() == one_percent_px
    assert (dog.shown, dog.absent, dog.false_masks) == (0, 3, 1)
    assert scores.false_mask_share == pytest.approx(1 / 3)


def test_the_curve_falls_where_a_false_mask_has_a_high_score(tmp_path: Path) -> None:
    scores = scored(
        tmp_path,
        {"a.png": {"dog": [square(0, 0, 9)]}, "b.png": {"dog": [square(0, 0, 9)]}, "c.png": {}},
        row("a.png", DOG, square(0, 0, 9), score=0.9),
        row("b.png", DOG, square(20, 20, 9), score=0.3),
        row("c.png", DOG, square(0, 0, 9), score=0.6),
    )
    assert scores.presence.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert scores.presence.recall.tolist() == pytest.approx([0.5, 0.5, 1])
    assert scores.presence.average_precision == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert scores.masks.recall.tolist() == pytest.approx([0.5, 0.5, 0.5])  # b's mask misses


def test_a_mask_that_the_thresholds_discarded_is_a_miss_at_every_score(tmp_path: Path) -> None:
    scores = scored(
        tmp_path, {"a.png": {"dog": [square(0, 0, 9)]}}, row("a.png", DOG, NOTHING, score=0.99)
    )
    assert scores.presence.recall.size == 0
    assert scores.categories[1].iou == 0.0


def test_images_match_by_file_name_with_or_without_folder_and_extension(tmp_path: Path) -> None:
    scores = scored(
        tmp_path,
        {"train/a.png": {"dog": [square(0, 0, 9)]}, "b.jpg": {}},
        row("shard-000/a", DOG, square(0, 0, 9)),
        row("b", DOG, NOTHING),
        row("elsewhere", DOG, NOTHING),
    )
    assert (scores.categories[1].shown, scores.categories[1].absent) == (1, 1)
    assert scores.unjudged_rows == 1


def test_a_name_that_two_true_images_share_judges_nothing(tmp_path: Path) -> None:
    truth = {"x/a.png": {"dog": [square(0, 0, 9)]}, "y/a.png": {}}
    scores = scored(tmp_path, truth, row("a", DOG, NOTHING), row("x/a", DOG, NOTHING))
    assert (scores.unjudged_rows, scores.categories[1].shown) == (1, 1)


def test_labels_of_a_coco_source_match_by_cocos_id(tmp_path: Path) -> None:
    path = instances(tmp_path / "truth.json", {"7.png": {"dog": [square(0, 0, 9)]}, "8.png": {}})
    truth = read_truth(path, Storage(), CATEGORIES, by_coco_id=True)
    assert (truth.image("100"), truth.image("7")) == (100, None)


def test_ground_truth_of_other_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none of the images of 1 labels"):
        scored(tmp_path, {"a.png": {}}, row("b", DOG, NOTHING))


def test_pixels_of_a_crowd_count_neither_way(tmp_path: Path) -> None:
    path = Path(instances(tmp_path / "truth.json", {"a.png": {"dog": [square(0, 0, 20)]}}))
    document = json.loads(path.read_text())
    crowd = {"id": 9, "image_id": 100, "category_id": 3, "iscrowd": 1}
    document["annotations"].append(
        crowd | {"segmentation": {"size": [40, 40], "counts": [20 * 40, 20 * 40]}}
    )  # the right half of the image, in uncompressed runs
    path.write_text(json.dumps(document))
    truth = read_truth(str(path), Storage(), CATEGORIES)
    mask_HW = square(0, 0, 20) | square(30, 30, 10)
    scores = score_labels([table(row("a.png", DOG, mask_HW))], CATEGORIES, truth)
    assert scores.categories[1].iou == 1.0


@pytest.mark.parametrize(
    ("content", "what"),
    [("not json", "not a COCO instances file"), ('{"images": []}', "not a COCO instances file")],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=what):
        read_truth(str(path), Storage(), CATEGORIES)


def test_ground_truth_of_other_categories_is_refused_by_name(tmp_path: Path) -> None:
    path = instances(tmp_path / "truth.json", {})
    with pytest.raises(BadInput, match="got:    cat, dog, x"):
        read_truth(path, Storage(), [CAT.model_copy(update={"name": "anchor"})])


def test_ground_truth_of_another_size_is_refused_by_image(tmp_path: Path) -> None:
    path = Path(instances(tmp_path / "truth.json", {"a.png": {}}))
    document = json.loads(path.read_text())
    document["images"][0]["width"] = 80
    path.write_text(json.dumps(document))
    truth = read_truth(str(path), Storage(), CATEGORIES)
    with pytest.raises(BadInput, match=r"(?s)a\.png.*\(40, 80\)"):
        score_labels([table(row("a.png", DOG, NOTHING))], CATEGORIES, truth)


def edited(tmp_path: Path, truth: dict, *annotations: dict) -> Path:
    """Write ground truth with more annotations, of the first image's dog unless they say else."""
    path = Path(instances(tmp_path / "truth.json", truth))
    document = json.loads(path.read_text())
    ours = {"image_id": 100, "category_id": 3}
    document["annotations"] += [
        {"id": number} | ours | entry for number, entry in enumerate(annotations, 900)
    ]
    path.write_text(json.dumps(document))
    return path


FAR = [[1, 1, 1e8, 1, 1e8, 9]]


def test_annotations_that_cannot_be_drawn_are_named_and_the_others_are_the_mask(
    tmp_path: Path,
) -> None:
    shown = {"a.png": {"dog": [square(0, 0, 10)]}}
    bad = [{"segmentation": one} for one in (FAR, [[5, 5]], [], None, [[[1, 2], [3, 4], [5, 9]]])]
    rle = {"segmentation": {"size": [40, 40], "counts": [1, 2]}}
    path = edited(tmp_path, shown, *bad, rle)
    truth = read_truth(str(path), Storage(), CATEGORIES)
    scores = score_labels([table(row("a.png", DOG, square(0, 0, 10)))], CATEGORIES, truth)
    assert scores.categories[1].iou == 1.0
    assert [one.partition(":")[0] for one in truth.passed_over] == [
        f"annotation {number}" for number in range(900, 906)
    ]
    assert truth.remarks(2)[1] == "entries that cannot be used and are passed over: 6, the first:"
    assert truth.remarks(2)[-1] == "… and 4 more"


@pytest.mark.parametrize("entry", [{"segmentation": FAR}, {"category_id": "3"}])
def test_a_label_is_not_false_where_no_annotation_of_it_can_be_used(
    tmp_path: Path, entry: dict
) -> None:
    path = edited(tmp_path, {"a.png": {}, "b.png": {}}, entry)
    truth = read_truth(str(path), Storage(), CATEGORIES)
    rows = [row(name, DOG, square(0, 0, 20)) for name in ("a.png", "b.png")]
    scores = score_labels([table(*rows)], CATEGORIES, truth)
    dog = scores.categories[1]
    assert (dog.shown, dog.absent, dog.false_masks, scores.unjudged_rows) == (0, 1, 1, 1)
    assert "not judged" in truth.remarks(9)[-1]
    # Of this image alone there is nothing to judge, which is no reason to refuse the file.
    alone = score_labels([table(rows[0])], CATEGORIES, truth)
    assert alone.miou is None


def test_categories_are_matched_by_name_and_other_ids_are_told(tmp_path: Path) -> None:
    path = instances(tmp_path / "truth.json", {"a.png": {}})
    (said,) = read_truth(path, Storage(), CATEGORIES).remarks(9)
    assert said.startswith("categories are matched by name, not by id: ")
    assert f"dog (id 3 there, {DOG.id} in the labels)" in said
    assert "x (" not in said


def test_an_image_without_a_size_is_refused_by_name(tmp_path: Path) -> None:
    path = Path(instances(tmp_path / "truth.json", {"a.png": {}}))
    document = json.loads(path.read_text())
    del document["images"][0]["height"]
    path.write_text(json.dumps(document))
    with pytest.raises(BadInput, match=r"images\[0\] \(id 100\): lacks height"):
        read_truth(str(path), Storage(), CATEGORIES)
