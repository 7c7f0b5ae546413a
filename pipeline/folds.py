"""Turn a protocol and a fold number into training and novel categories."""

from collections.abc import Sequence

from schemas.dataset import VOC_CLASSES, CategoryCount
from schemas.errors import BadInput
from schemas.fold import FOLDS, Fold, Protocol

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
            translated = [VOC_NAMES_IN_COCO.get(name, name) for name in names]
            if unknown := sorted(set(translated) - set(COCO_CLASSES)):
                raise BadInput(
                    "categories without a counterpart in COCO",
                    "protocol coco_to_pascal",
                    ", ".join(unknown),
                    "COCO's or VOC's category names",
                )
            folds = [index % FOLDS for index in _places(translated, COCO_CLASSES)]
    if not 0 <= number < FOLDS or max(folds, default=0) >= FOLDS:
        raise BadInput(
            "a fold that does not exist",
            f"protocol {protocol}",
            f"fold {number} of {len(names)} categories",
            f"0 to {FOLDS - 1}; at most {PASCAL_FOLD_SIZE * FOLDS} categories for pascal5i",
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


def _places(names: Sequence[str], standard: Sequence[str]) -> list[int]:
    if set(names) <= set(standard):
        return [standard.index(name) for name in names]
    return list(range(len(names)))
