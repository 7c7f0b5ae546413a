"""Methods over the smallest networks with random weights, and what they are asked."""

import numpy as np
from pydantic import TypeAdapter

from model.segmenter import Drawn, LoadedReference
from schemas.job.method import Method
from tests.made.pixels.waves import picture

NANO = {"type": "nano", "weights": "random:2"}
OTHER = {"type": "nano", "weights": "random:3"}
METHODS = {
    "gp_sam box": {"type": "gp_sam", "prompt": "box"},
    "gp_sam point": {"type": "gp_sam", "prompt": "point"},
    "gp_sam both": {"type": "gp_sam", "backbone": OTHER},
    "persam": {"type": "persam"},
    "persam backbone": {"type": "persam", "backbone": OTHER},
    "persam aligned": {"type": "persam", "guidance": "aligned"},
    "persam_f": {"type": "persam_f", "epochs": 3},
    "persam_f backbone": {"type": "persam_f", "backbone": OTHER, "epochs": 3},
    "matcher": {"type": "matcher", "proposals": 5},
    "matcher backbone": {"type": "matcher", "backbone": OTHER, "proposals": 5, "beta": 0.2},
}


def method(name: str, **changes: object) -> Method:
    return TypeAdapter[Method](Method).validate_python({"sam": NANO, **METHODS[name], **changes})


def reference(category_id: int, seed: int, annotation: Drawn | None = None) -> LoadedReference:
    mask = np.zeros((60, 80), dtype=bool)
    mask[10 + seed : 40, 15 : 60 - seed] = True
    drawn = mask if annotation is None else annotation
    return LoadedReference(f"r{seed}", category_id, picture(seed, 60, 80), drawn)


IMAGES = [picture(10, 48, 64), picture(11, 90, 33)]
