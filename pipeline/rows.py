"""Turn predictions into label rows, and faults into rejected rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from model.mask import mask_at, stability
from model.segmenter import Prediction
from pipeline.shards import EncodedImage
from schemas.commit import Identity
from schemas.errors import ImageRejected
from schemas.job import Thresholds


@dataclass(frozen=True)
class RowContext:
    """What all rows of a job share."""

    identity: Identity
    references: Mapping[int, tuple[str, ...]]  # reference ids by category id
    thresholds: Thresholds

    @property
    def names(self) -> dict[int, str]:
        """Category names by id."""
        return {category.id: category.name for category in self.identity.categories}


def encode_rle(mask_HW: np.ndarray) -> Any:
    """Encode a bool mask [H, W] as COCO compressed RLE: {"size": [H, W], "counts": str}."""
    runs: Any = coco_mask.encode(np.asfortranarray(mask_HW, dtype=np.uint8))
    return {"size": list(mask_HW.shape), "counts": runs["counts"].decode("ascii")}


def label_row(
    prediction: Prediction, size_HW: tuple[int, int], context: RowContext
) -> dict[str, Any]:
    """Return the columns of LABEL_SCHEMA that one prediction decides; size_HW in pixels.

    A mask that misses a threshold becomes an empty one; its score and stability stay, to show why.
    """
    limits = context.thresholds
    stable = stability(prediction.logits_hw, limits.mask_logit)
    mask_HW = mask_at(prediction, size_HW, limits.mask_logit)
    rle = encode_rle(mask_HW)
    area_px = int(coco_mask.area(rle))
    labelled = (
        area_px >= limits.min_area_px
        and prediction.score >= limits.min_score
        and stable >= limits.min_stability
    )
    if not labelled:
        rle, area_px = encode_rle(np.zeros(size_HW, dtype=bool)), 0
    return {
        "height": size_HW[0],
        "width": size_HW[1],
        "category_id": prediction.category_id,
        "category": context.names[prediction.category_id],
        "status": "labelled" if labelled else "empty",
        "rle_counts": rle["counts"],
        "box_xywh": [float(side) for side in coco_mask.toBbox(rle)],
        "area_px": area_px,
        "score": prediction.score,
        "stability": stable,
        "references": list(context.references[prediction.category_id]),
        "job_fingerprint": context.identity.fingerprint,
        "model_fingerprint": context.identity.model_fingerprint,
        "random_weights": bool(context.identity.random_weights),
    }


def rejected_row(image: EncodedImage, fault: ImageRejected, context: RowContext) -> dict[str, Any]:
    """Return the columns of REJECTED_SCHEMA for an image that cannot be labelled."""
    return {
        "image_id": image.image_id,
        "uri": image.uri,
        "reason": fault.reason,
        "message": fault.message,
        "bytes_sha256": hashlib.sha256(image.data).hexdigest() if image.data else "",
        "bytes": len(image.data),
        "job_fingerprint": context.identity.fingerprint,
    }
