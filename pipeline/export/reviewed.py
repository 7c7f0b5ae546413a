"""Turn label rows and people's verdicts on them into the rows that an export is to hold."""

from collections.abc import Iterable, Mapping
from typing import Any

from pycocotools import mask as coco_mask

from pipeline.output.verdicts import Key
from schemas.record.verdict import Reviewed

Row = Mapping[str, Any]

SETTLED = {
    "accepted": frozenset({"accepted", "absent"}),
    "corrected": frozenset({"accepted", "absent", "corrected"}),
}


def is_settled(rows: Iterable[Row], verdicts: Mapping[Key, Row], reviewed: Reviewed) -> bool:
    """True for an image of which everything wanted is known, from its rows of wanted categories.

    A person has looked at it, and at each of its masks, and said what settles them. An image with
    a rejected mask shows an object that nobody has outlined, and one with a mask that nobody has
    looked at may: in a data set either would teach that the object is background.
    """
    if reviewed == "all":
        return True
    looked = False
    for row in rows:
        said = _said(row, verdicts)
        if said not in SETTLED[reviewed] and (said is not None or row["status"] == "labelled"):
            return False
        looked |= said is not None
    return looked


def counting(row: Row, verdicts: Mapping[Key, Row]) -> Row:
    """Return a row with the mask that counts: as made, corrected, or none.

    What a person accepted or corrected is for review no more, and no threshold leaves it out.
    """
    said = _said(row, verdicts)
    if said in {"rejected", "absent"}:
        return {**row, "status": "empty"}
    if said is not None:
        row = {**row, "decision": "labelled", "vouched": True}
    if said != "corrected":
        return row
    counts = verdicts[row["image_id"], row["category_id"]]["rle_counts"]
    runs: Any = {"size": [row["height"], row["width"]], "counts": counts.encode("ascii")}
    area_px = int(coco_mask.area(runs))
    return {
        **row,
        "status": "labelled" if area_px else "empty",
        "rle_counts": counts,
        "box_xywh": coco_mask.toBbox(runs).tolist(),
        "area_px": area_px,
        "score": 1.0,  # a person drew it: on top where masks meet
    }


def _said(row: Row, verdicts: Mapping[Key, Row]) -> str | None:
    found = verdicts.get((row["image_id"], row["category_id"]))
    return None if found is None or found["verdict"] == "withdrawn" else found["verdict"]
