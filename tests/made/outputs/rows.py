"""Label rows and rejected rows of which only the image matters."""

from typing import Any

from schemas.record.row import LABEL_SCHEMA


def label(image_id: str, status: str = "labelled") -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(LABEL_SCHEMA.names)
    box = [0.0, 0.0, 1.0, 1.0]
    return {**row, "image_id": image_id, "category_id": 1, "status": status, "box_xywh": box}


def rejected(image_id: str) -> dict[str, Any]:
    return {"image_id": image_id, "uri": image_id, "reason": "decode", "message": "cut off"}
