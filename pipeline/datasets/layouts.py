"""What a data set's distributor ships: which paths, and the dataset that a job names for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from schemas.errors import BadInput
from schemas.job.dataset import Dataset
from schemas.names import LayoutName

_DATASET: TypeAdapter[Dataset] = TypeAdapter(Dataset)


@dataclass(frozen=True)
class Layout:
    """Folders (named with a / at their end) and files below a root, and the datasets of its splits.

    specs: the `dataset` of a job by split, {root} standing for the root; the first split is the one
    that is evaluated on.
    """

    source: str
    paths: tuple[str, ...]
    specs: Mapping[str, Mapping[str, object]]
    protocol: str
    remark: str = field(default="")

    def dataset(self, root: str, split: str) -> Dataset:
        """Return the dataset of a split as a job would name it. Raises BadInput."""
        if split not in self.specs:
            raise BadInput("a split that the data set lacks", root, split, ", ".join(self.specs))
        root = root.rstrip("/")
        named = {
            key: value.replace("{root}", root) if isinstance(value, str) else value
            for key, value in self.specs[split].items()
        }
        return _DATASET.validate_python(named)


def _coco(year: int) -> Layout:
    splits = ("val", "train")
    return Layout(
        source=f"COCO {year}: train{year}.zip, val{year}.zip, annotations_trainval{year}.zip",
        paths=(
            *(f"{split}{year}/" for split in splits),
            *(f"annotations/instances_{split}{year}.json" for split in splits),
        ),
        specs={
            split: {
                "type": "coco",
                "images": f"{{root}}/{split}{year}",
                "instances": f"{{root}}/annotations/instances_{split}{year}.json",
            }
            for split in splits
        },
        protocol="coco20i",
    )


def _davis(year: int) -> Layout:
    return Layout(
        source=f"DAVIS {year}, 480p: DAVIS-2017-trainval-480p.zip, or the 2016 release",
        paths=(
            "JPEGImages/480p/",
            "Annotations/480p/",
            f"ImageSets/{year}/train.txt",
            f"ImageSets/{year}/val.txt",
        ),
        specs={
            split: {"type": "davis", "root": "{root}", "year": year, "split": split}
            for split in ("val", "train")
        },
        protocol="all, min_area_px: 1",
        remark="a sequence's first frame is the reference",
    )


LAYOUTS: dict[LayoutName, Layout] = {
    "coco20i": _coco(2014),
    "coco2017": _coco(2017),
    "pascal5i": Layout(
        source="VOC 2012 (VOCtrainval_11-May-2012.tar) with SBD's masks as SegmentationClassAug",
        paths=("JPEGImages/", "SegmentationClassAug/", "ImageSets/Segmentation/val.txt"),
        specs={
            split: {
                "type": "voc",
                "root": "{root}",
                "split": f"ImageSets/Segmentation/{name}.txt",
            }
            for split, name in (("val", "val"), ("train", "trainaug"))
        },
        protocol="pascal5i, or coco_to_pascal for the shift",
    ),
    "fss1000": Layout(
        source="FSS-1000 (fewshot_data.zip) as `data`, and the split lists of its authors",
        paths=("data/", "splits/trn.txt", "splits/val.txt", "splits/test.txt"),
        specs={
            split: {
                "type": "folder",
                "root": "{root}/data",
                "classes": f"{{root}}/splits/{name}.txt",
            }
            for split, name in (("test", "test"), ("val", "val"), ("train", "trn"))
        },
        protocol="all",
    ),
    "perseg": Layout(
        source="PerSeg (PerSAM's data.zip)",
        paths=("Images/", "Annotations/"),
        specs={
            "test": {
                "type": "folder",
                "root": "{root}/Images",
                "masks": "{root}/Annotations",
                "first_is_reference": True,
            }
        },
        protocol="all, min_area_px: 1",
        remark="an object's first image is the reference",
    ),
    "lvis92i": Layout(
        source="LVIS v1 (lvis_v1_val.json.zip) and COCO 2017's images",
        paths=("coco/train2017/", "coco/val2017/", "lvis_v1_val.json"),
        specs={
            split: {
                "type": "lvis",
                "images": "{root}/coco",
                "instances": f"{{root}}/lvis_v1_{split}.json",
            }
            for split in ("val", "train")
        },
        protocol="lvis92i",
    ),
    "pascal_part": Layout(
        source="VOC 2010's JPEGImages and Matcher's pascal.zip",
        paths=(
            "JPEGImages/",
            "Annotations_Part_json_merged_part_classes/",
            "all_obj_part_to_image.json",
        ),
        specs={
            split: {"type": "pascal_part", "root": "{root}", "split": split}
            for split in ("val", "train")
        },
        protocol="pascal_part",
        remark="an image is an object's box",
    ),
    "paco_part": Layout(
        source="PACO-LVIS v1 (paco_lvis_v1.zip as `paco`) and COCO 2017's images",
        paths=("coco/train2017/", "coco/val2017/", "paco/paco_lvis_v1_test.json"),
        specs={
            split: {
                "type": "paco",
                "images": "{root}/coco",
                "instances": f"{{root}}/paco/paco_lvis_v1_{split}.json",
            }
            for split in ("test", "val", "train")
        },
        protocol="paco_part",
        remark="an image is an object's box",
    ),
    # Before 2016: the release of 2017 holds both years' lists.
    "davis2017": _davis(2017),
    "davis2016": _davis(2016),
    "folder": Layout(
        source="your own: <class>/<id>.jpg with <class>/<id>.png",
        paths=("",),
        specs={"test": {"type": "folder", "root": "{root}"}},
        protocol="all",
    ),
}
