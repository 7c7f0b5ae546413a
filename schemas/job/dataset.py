"""Images whose objects are known: one tagged variant per layout, and the index made of any of them.

An index is a folder: images.parquet, objects.parquet, problems.parquet, and index.json, written
last. `objects` has a row per image and category; its mask is COCO RLE, or a PNG and a value in it.
"""

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.spec import Spec, Uri

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip


class CocoDataset(Spec):
    """COCO images and an instances JSON; COCO-20i is COCO 2014 in this layout.

    A category's mask is the union of its annotations; its crowd regions are ignored pixels.
    """

    type: Literal["coco"]
    images: Uri = Field(description="The folder that every `file_name` lies under.")
    instances: Uri = Field(description="The JSON file.")


class VocDataset(Spec):
    """VOC 2012 with index PNGs: 0 background, 1 … the classes, 255 ignored; for PASCAL-5i."""

    type: Literal["voc"]
    root: Uri = Field(description="The folder that holds the three below, e.g. VOCdevkit/VOC2012.")
    split: str = Field(
        default="ImageSets/Segmentation/trainaug.txt",
        description="Below root: lines of an image id, or of an image and a mask path.",
    )
    images: str = "JPEGImages"
    masks: str = "SegmentationClassAug"
    classes: Annotated[tuple[str, ...], Field(min_length=1, max_length=254)] = VOC_CLASSES


class FolderDataset(Spec):
    """`<class>/<id>.jpg` with a mask PNG of the same name: FSS-1000, PerSeg, your own photos.

    The class is the name of the folder an image lies in, at any depth. Foreground is every pixel
    with a colour other than black. One photo in several class folders counts as one image.
    """

    type: Literal["folder"]
    root: Uri
    masks: Uri | None = Field(
        default=None, description="A folder with the same tree of masks; else beside the images."
    )
    classes: Uri | None = Field(
        default=None, description="A text file, a class a line: only these; FSS-1000's splits."
    )
    first_is_reference: bool = Field(
        default=False, description="Of each class the first image by name; PerSeg's protocol."
    )
    exhaustive: bool = Field(
        default=False,
        description="A class that an image has no mask for is absent from it; allows negatives.",
    )
    unmarked: Uri | None = Field(
        default=None,
        description='A JSON file, {"<class>/<id>": ["<class>", ...]}: what photos may show without '
        "a mask, so that it is neither shown nor, though `exhaustive`, absent.",
    )

    @model_validator(mode="after")
    def _with_exhaustive(self) -> "FolderDataset":
        if self.unmarked is not None and not self.exhaustive:
            raise ValueError("unmarked is for exhaustive: true; without it nothing is absent")
        return self


class LvisDataset(Spec):
    """LVIS v1 over COCO 2017's images, which lie in train2017 and val2017 whatever the split.

    A category is absent only where LVIS says so (`neg_category_ids`). One that is annotated in part
    (`not_exhaustive_category_ids`) is taken as shown, as Matcher's protocol does.
    """

    type: Literal["lvis"]
    images: Uri = Field(description="The folder that holds train2017 and val2017.")
    instances: Uri = Field(description="lvis_v1_train.json or lvis_v1_val.json.")


class PacoDataset(Spec):
    """PACO-LVIS: parts of objects; an image is the box of one object, cut out of its photo.

    A category is `object:part`; its mask is the union of the object's parts of that name.
    """

    type: Literal["paco"]
    images: Uri = Field(description="The folder that holds COCO's train2017 and val2017.")
    instances: Uri = Field(description="paco_lvis_v1_train.json, …_val.json or …_test.json.")


class PascalPartDataset(Spec):
    """PASCAL-Part with merged parts, as Matcher's authors share it; boxes cut out as for PACO."""

    type: Literal["pascal_part"]
    root: Uri = Field(description="VOCdevkit/VOC2010, with the JSON files beside JPEGImages.")
    split: Literal["train", "val"] = "val"


class DavisDataset(Spec):
    """DAVIS at 480p: one category per sequence (2016), or per object of a sequence (2017)."""

    type: Literal["davis"]
    root: Uri = Field(description="Holds JPEGImages, Annotations and ImageSets.")
    year: Literal[2016, 2017] = 2017
    split: Literal["train", "val", "trainval"] = "val"


class CommitDataset(Spec):
    """Our own labels: what a labeling job committed, rows with status `empty` as absent."""

    type: Literal["commit"]
    output: Uri
    min_score: float = Field(default=0.0, ge=0, le=1, description="Labels below it are left out.")
    allow_random_weights: bool = Field(
        default=False, description="Accept labels of untrained weights, which mean nothing."
    )


Dataset = Annotated[
    CocoDataset
    | VocDataset
    | FolderDataset
    | LvisDataset
    | PacoDataset
    | PascalPartDataset
    | DavisDataset
    | CommitDataset,
    Field(discriminator="type"),
]

IMAGES_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("image_uri", pa.string()),  # a file, or the archive that the range below lies in
        ("range_start", pa.int64()),  # bytes of the encoded image within the file; null: all of it
        ("range_end", pa.int64()),
        ("height", pa.int32()),  # as displayed, EXIF orientation applied
        ("width", pa.int32()),
        (
            "crop_xyxy",
            pa.list_(pa.int32(), 4),
        ),  # the part of the photo that is the image; null: all
        ("sequence", pa.string()),  # of a video: its first frame is the reference; null: a photo
        ("frame", pa.int32()),
        ("image_bytes", pa.int64()),  # the encoded image's length; null: it was not read whole
        ("image_sha256", pa.string()),
    ]
)

ObjectState = Literal[
    "shown",  # area_px is above 0
    "absent",  # somebody looked, and the image has none of it
    "unusable",  # it is there without a mask: crowds only, too small to draw, or badly annotated
]

OBJECTS_SCHEMA = pa.schema(
    [
        ("image", pa.int32()),  # row of images.parquet
        ("category_id", pa.int32()),
        ("area_px", pa.int64()),  # without ignored pixels
        ("state", pa.string()),  # ObjectState
        ("mask_rle", pa.string()),  # COCO compressed counts of the image's size; or null and:
        ("mask_uri", pa.string()),  # an index or black-and-colour PNG of the image's size
        ("mask_value", pa.int16()),  # the object's value in it; null: whatever is not black
        ("ignore_rle", pa.string()),  # pixels that are neither object nor background; null: none
        ("ignore_value", pa.int16()),  # the same, as a value of mask_uri
        ("mask_sha256", pa.string()),  # of mask_uri's bytes
    ]
)

ProblemReason = Literal[
    "missing-image",
    "missing-mask",
    "unreadable-image",
    "unreadable-mask",
    "misaligned",  # image and mask, or image and what the annotations say of it, differ in size
    "empty-mask",
    "unknown-category",  # an annotation or a mask value that the category list lacks
    "bad-annotation",  # a polygon or RLE that cannot be drawn, or of an image that is not listed
    "duplicate",  # the same image id, or the same photo in one class, a second time
]

PROBLEMS_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("uri", pa.string()),
        ("reason", pa.string()),  # ProblemReason
        ("message", pa.string()),
    ]
)


class CategoryCount(Spec):
    """A category of a dataset and how often its index shows it."""

    id: int = Field(ge=0, description="As in the dataset; 0 is allowed, some tools start there.")
    name: str = Field(min_length=1)
    images: int = Field(description="Images with at least one pixel of it.")
    present: int = Field(description="Images with at least 2*32*32 pixels of it.")


class AnnotationFile(Spec):
    """A file or folder of annotations, as it was when the index was made of it."""

    uri: str
    stamp: str = Field(description="Size and tag or time; of a folder, of all its files.")
    sha256: str | None = Field(default=None, description="Of a file whose storage has no tags.")


class IndexCommit(Spec):
    """index.json: written last; what its hashes do not match does not exist."""

    dataset: Dataset
    categories: tuple[CategoryCount, ...] = Field(description="In the order of the ids.")
    exhaustive: bool = Field(description="No row for an image and category means: absent.")
    images: int
    objects: int
    problems: int
    sha256: dict[str, str] = Field(description="Of each Parquet file, by its name.")
    annotations: tuple[AnnotationFile, ...] = Field(
        default=(), description="What the index was made of; indices of before 2026-11-25: nothing."
    )
