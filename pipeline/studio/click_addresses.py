"""What the page asks SAM: clicks on a label's image, or on one of the collection."""

from fastapi import APIRouter

from pipeline.review.review import Review
from pipeline.studio.clicks import Asked, Clicks
from pipeline.studio.draft import Draft


def click_addresses(clicks: Clicks, review: Review | None, draft: Draft | None) -> APIRouter:
    """Return the addresses of what is open."""
    router = APIRouter(prefix="/api")
    if review is not None:

        @router.post("/labels/{label}/click")
        def on_label(label: int, asked: Asked) -> dict[str, list[int]]:
            row = review.row(label)
            return {"runs": clicks.runs(row["uri"], asked, (row["height"], row["width"]))}

    if draft is not None:

        @router.post("/images/{image}/click")
        def on_image(image: int, asked: Asked) -> dict[str, list[int]]:
            return {"runs": clicks.runs(draft.collection.uri(image), asked)}

    return router
