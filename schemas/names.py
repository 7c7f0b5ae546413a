"""The names that both a job file and a command line choose from; typing only, read in no time."""

from typing import Literal

SamType = Literal["vit_t", "vit_b", "vit_l", "vit_h", "nano", "lite"]
BackboneType = Literal[
    "resnet50", "resnet50s", "resnet101s", "vgg16_bn", "dinov2_vitb14", "dinov2_vitl14",
    "dinov3_vitb16", "nano", "efficientnet_lite2",
]  # fmt: skip

LabelType = Literal["point", "scribble", "box", "mask"]
"""What a model card calls the annotation formats, as the authors' code does."""

LayoutName = Literal[
    "coco20i", "pascal5i", "fss1000", "perseg", "lvis92i", "pascal_part", "paco_part", "davis2016",
    "davis2017", "coco2017", "folder",
]  # fmt: skip
