"""A reviewed label becomes a reference of the job, or its image one that shows nothing."""

from typing import Any

from fastapi import APIRouter

from pipeline.review.review import Review
from pipeline.studio.draft import Draft
from schemas.errors import BadInput, ImageRejected


def teach_addresses(review: Review, draft: Draft) -> APIRouter:
    """Return the address that teaches; what it does to the job file, the page is told."""
    router = APIRouter(prefix="/api/labels")

    @router.post("/{label}/teach")
    def teach_label(label: int) -> dict[str, Any]:
        said = teach(review, draft, label)
        return {"said": said, "job": draft.describe()}

    return router


def teach(review: Review, draft: Draft, label: int) -> str:
    """Write into the job file what a verdict says of an image; return a sentence on it.

    Raises BadInput: no verdict to learn from, or a job that takes no such example.
    """
    row, verdict = review.row(label), review.verdict(label)
    match verdict:
        case "corrected":
            pass
        case "accepted" if row["area_px"]:
            pass
        case "absent" | "accepted":
            return _teach_absence(review, draft, label, row)
        case _:
            raise BadInput(
                "nothing to learn from",
                f"image {row['image_id']}, {row['category']}",
                "no verdict" if verdict is None else verdict,
                "a mask that was accepted or corrected, or the verdict that it is not there",
            )
    _check_there(review, label, row)
    draft.add_reference(row["uri"], row["category"], review.counting_mask(label))
    return f"{row['image_id']} is a reference of {row['category']} now"


def _check_there(review: Review, label: int, row: dict[str, Any]) -> None:
    try:
        review.picture(label)
    except ImageRejected as error:
        raise BadInput(
            "an image that teaches nothing", row["uri"], error.message, "the one that was labelled"
        ) from error


def _teach_absence(review: Review, draft: Draft, label: int, row: dict[str, Any]) -> str:
    if shown := review.shown_in(row["image_id"]):
        raise BadInput(
            "an image that may show another category",
            f"image {row['image_id']}",
            f"{', '.join(shown)}: a mask that nobody called not there",
            "an image that shows none: say of each of its masks that it is not there",
        )
    _check_there(review, label, row)
    draft.add_negative(row["uri"])
    return f"{row['image_id']} is an image without the categories now"
