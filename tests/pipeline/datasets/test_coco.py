"""What COCO files number and name in ways of their own is indexed, or refused in words."""

from pathlib import Path

import pytest

from pipeline.datasets.index import DatasetIndex, open_index
from schemas.errors import BadInput
from schemas.job.dataset import CocoDataset
from schemas.job.storage import Storage
from tests.made.data.datasets import LARGE, CocoFiles


def _opened(dataset: dict[str, str], folder: Path) -> DatasetIndex:
    checked = CocoDataset.model_validate(dataset)
    return open_index(checked, str(folder / "index"), Storage())


def test_images_of_a_coco_file_may_be_numbered_and_named(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    for number in (3, 1, 2):
        coco.image(number, cat=LARGE)
    coco.document["images"][1]["id"] = coco.document["annotations"][1]["image_id"] = "one"
    index = _opened(coco.save(), tmp_path)
    assert index.images["image_id"].to_pylist() == ["2", "3", "one"]
    assert index.commit.objects == 3


@pytest.mark.parametrize("number", [3_000_000_000, -1])
def test_a_category_id_that_no_index_can_hold_is_refused(tmp_path: Path, number: int) -> None:
    coco = CocoFiles(tmp_path, ("cat", "dog"))
    coco.image(1, dog=LARGE)
    coco.document["categories"][0]["id"] = number
    with pytest.raises(BadInput, match="no index can hold") as refused:
        _opened(coco.save(), tmp_path)
    assert refused.value.got == str(number)
