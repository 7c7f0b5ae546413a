"""What people said of labels, as exports hold it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.export.coco import export_coco
from pipeline.export.png import export_png
from pipeline.export.rejected import Exported
from pipeline.export.selection import Selection
from schemas.errors import BadInput
from schemas.job.storage import Storage
from schemas.record.verdict import Reviewed
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.outputs.verdicts import say

MADE = square(5, 5, 10)
MENDED = square(7, 3, 6) | square(20, 20, 3)
IMAGES = "abcdefg"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Images with a dog and without a cat, as the model says."""
    rows = [
        made for name in IMAGES for made in (row(name, CAT, NOTHING), row(name, DOG, MADE, 0.4))
    ]
    commit_units(str(tmp_path / "out"), [(rows, [])])
    return tmp_path / "out"


def export(output: Path, reviewed: Reviewed) -> tuple[Exported, dict[str, list[Any]]]:
    """Return what was counted, and each image's segmentations by file name."""
    to = output.parent / f"{reviewed}.json"
    selection = Selection(reviewed=reviewed)
    exported = export_coco(str(output), Storage(), str(to), selection)
    document = json.loads(to.read_text())
    masks = {
        image["file_name"]: [
            one["segmentation"] for one in document["annotations"] if one["image_id"] == image["id"]
        ]
        for image in document["images"]
    }
    return exported, masks


def review_all_kinds(output: Path) -> None:
    say(str(output), "a", "accepted")
    say(str(output), "b", "corrected", mask_HW=MENDED)
    say(str(output), "c", "rejected")
    say(str(output), "d", "absent")
    say(str(output), "e", "accepted")
    say(str(output), "e", "corrected", CAT, mask_HW=MENDED)  # a cat that the model missed
    say(str(output), "f", "accepted")
    say(str(output), "f", "withdrawn")


def test_accepted_holds_the_images_whose_masks_are_right_as_made(output: Path) -> None:
    review_all_kinds(output)
    exported, masks = export(output, "accepted")
    assert {name: len(found) for name, found in masks.items()} == {"a": 1, "d": 0}
    assert (exported.images, exported.unsettled) == (2, 5)


def test_corrected_holds_mended_masks_too_pixel_for_pixel(output: Path) -> None:
    review_all_kinds(output)
    exported, masks = export(output, "corrected")
    assert {name: len(found) for name, found in masks.items()} == {"a": 1, "b": 1, "d": 0, "e": 2}
    assert (exported.masks, exported.unsettled) == (4, 3)
    (mended,) = masks["b"]
    assert np.array_equal(coco_mask.decode(mended).astype(bool), MENDED)


def test_all_leaves_out_only_what_was_found_to_be_wrong(output: Path) -> None:
    review_all_kinds(output)
    exported, masks = export(output, "all")
    assert {name: len(found) for name, found in masks.items()} == {
        "a": 1, "b": 1, "c": 0, "d": 0, "e": 2, "f": 1, "g": 1,
    }  # fmt: skip
    assert exported.unsettled == 0


def test_a_mended_mask_has_the_pixel_where_masks_meet(output: Path) -> None:
    say(str(output), "a", "corrected", CAT, mask_HW=MENDED)
    say(str(output), "a", "accepted")
    to = output.parent / "png"
    export_png(str(output), Storage(), str(to), selection=Selection(reviewed="corrected"))
    pixels_HW = np.asarray(Image.open(to / "a.png"))
    assert np.array_equal(pixels_HW == 1, MENDED)
    assert np.array_equal(pixels_HW == 2, MADE & ~MENDED)


def test_verdicts_on_the_labels_of_another_job_do_not_count(output: Path) -> None:
    say(str(output), "a", "absent", fingerprint="another")
    assert len(export(output, "all")[1]["a"]) == 1


def test_single_objects_have_no_verdicts_to_export_by(tmp_path: Path) -> None:
    fields = {"instances.by": "components", "instances.most": "3"}
    commit_units(str(tmp_path), [([row("a", CAT, MADE), row("a", DOG, MADE)], [])], fields=fields)
    selection = Selection(instances=True, reviewed="all")
    with pytest.raises(BadInput, match="verdicts on single objects"):
        export_coco(str(tmp_path), Storage(), str(tmp_path / "a.json"), selection)


def test_what_a_person_accepted_passes_any_score(output: Path) -> None:
    """Else its image would stay, as one without the object."""
    say(str(output), "a", "accepted")
    to = output.parent / "strict.json"
    export_coco(str(output), Storage(), str(to), Selection(min_score=0.9, reviewed="accepted"))
    document = json.loads(to.read_text())
    assert (len(document["images"]), len(document["annotations"])) == (1, 1)


def test_a_mask_that_was_exported_and_then_rejected_is_not_left_among_the_others(
    output: Path,
) -> None:
    to, selection = str(output.parent / "png"), Selection(reviewed="accepted")
    for name in "ab":
        say(str(output), name, "accepted")
    for _ in range(2):
        export_png(str(output), Storage(), to, selection=selection)
    say(str(output), "b", "rejected")
    with pytest.raises(BadInput, match=r"1 files, such as b\.png"):
        export_png(str(output), Storage(), to, selection=selection)
