"""Turn a protocol and a fold number into training and novel categories."""

from collections.abc import Iterable, Sequence

from schemas.errors import BadInput
from schemas.fold import FOLDS, FOLDS_OF, Fold, Protocol
from schemas.job.dataset import VOC_CLASSES, CategoryCount

COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

VOC_NAMES_IN_COCO = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}

PASCAL_FOLD_SIZE = 5

# VOC's own groups, in the order in which Matcher numbers them (Liu et al. 2024).
PASCAL_PART_GROUPS = (
    ("bird", "cat", "cow", "dog", "horse", "sheep"),
    ("bottle", "chair", "diningtable", "pottedplant", "sofa", "tvmonitor", "table"),
    ("person",),
    ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
)


def split(protocol: Protocol, number: int, categories: Sequence[CategoryCount]) -> Fold:
    """Return the fold; categories are a dataset's own, in the order of their ids.

    A category's index is its place in COCO's (or VOC's) list when all the names are from there, so
    that a dataset of a few COCO classes gets the paper's folds; else its place in `categories`.
    Raises BadInput for categories the protocol is not made for, or a fold that leaves nothing to
    train on.
    """
    names = [category.name for category in categories]
    match protocol:
        case "all":
            folds = [-1] * len(names)
        case "coco20i":
            folds = [index % FOLDS for index in _places(names, COCO_CLASSES)]
        case "pascal5i":
            folds = [index // PASCAL_FOLD_SIZE for index in _places(names, VOC_CLASSES)]
        case "coco_to_pascal":
            folds = _folds_in_coco(names)
        case "lvis92i":
            folds = _lvis_folds(categories)
        case "pascal_part":
            folds = [_group(name) for name in names]
        case "paco_part":
            folds = [index % FOLDS for index in range(len(names))]
    count = FOLDS_OF[protocol]
    if not 0 <= number < count or max(folds, default=0) >= count:
        raise BadInput(
            "a fold that does not exist",
            f"protocol {protocol}",
            f"fold {number} of {len(names)} categories",
            f"0 to {count - 1}; at most {PASCAL_FOLD_SIZE * FOLDS} categories for pascal5i",
        )
    novel = tuple(c.id for c, fold in zip(categories, folds, strict=True) if fold == number)
    training = tuple(c.id for c in categories if c.id not in novel)
    if not training:
        raise BadInput(
            "a fold with nothing to train on",
            f"protocol {protocol}, fold {number}",
            f"the categories {', '.join(names) or 'none'}",
            "some category outside the fold",
        )
    return Fold(protocol=protocol, number=number, training=training, novel=novel)


def same_categories(one: Iterable[str], other: Iterable[str]) -> list[str]:
    """Return the names that are in both, VOC's and COCO's for the same thing being the same."""
    wanted = {VOC_NAMES_IN_COCO.get(name, name) for name in other}
    return sorted(name for name in one if VOC_NAMES_IN_COCO.get(name, name) in wanted)


def _folds_in_coco(names: Sequence[str]) -> list[int]:
    translated = [VOC_NAMES_IN_COCO.get(name, name) for name in names]
    if unknown := sorted(set(translated) - set(COCO_CLASSES)):
        raise BadInput(
            "categories without a counterpart in COCO",
            "protocol coco_to_pascal",
            ", ".join(unknown),
            "COCO's or VOC's category names",
        )
    return [index % FOLDS for index in _places(translated, COCO_CLASSES)]


def _lvis_folds(categories: Sequence[CategoryCount]) -> list[int]:
    """Matcher's LVIS-92i: the categories that two images or more show, dealt out to ten folds.

    As many to each fold (92 of LVIS v1's validation set); those left over are in none.
    """
    shown = [place for place, category in enumerate(categories) if category.images >= 2]
    folds = [-1] * len(categories)
    count = FOLDS_OF["lvis92i"]
    for number, place in enumerate(shown[: len(shown) // count * count]):
        folds[place] = number % count
    return folds


def _group(name: str) -> int:
    """Return the group of a part's object, `cow:head`; raises BadInput for one of none."""
    of_object = name.partition(":")[0]
    for number, group in enumerate(PASCAL_PART_GROUPS):
        if of_object in group:
            return number
    raise BadInput(
        "a category that is no part of PASCAL's objects",
        "protocol pascal_part",
        name,
        "object:part, with one of VOC's classes as the object",
    )


def _places(names: Sequence[str], standard: Sequence[str]) -> list[int]:
    if set(names) <= set(standard):
        return [standard.index(name) for name in names]
    return list(range(len(names)))
