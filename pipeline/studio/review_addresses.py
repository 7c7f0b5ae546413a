"""What the review page asks and says: addresses of labels, queues and verdicts."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Path as InAddress
from pydantic import Field

from pipeline.report.pictures import colour_of
from pipeline.review.queue import Wanted
from pipeline.review.review import Review, Said
from schemas.spec import Spec

MOST_SHOWN = 200
MOST_VERDICTS = 1000

Label = Annotated[int, InAddress(ge=0)]


class Batch(Spec):
    """Verdicts of one reviewer."""

    reviewer: str
    verdicts: Annotated[tuple[Said, ...], Field(min_length=1, max_length=MOST_VERDICTS)]


def review_addresses(review: Review, reviewer: str) -> APIRouter:
    """Return the addresses; `reviewer` is who is at work unless the page says."""
    router = APIRouter(prefix="/api")

    @router.get("/output")
    def output() -> dict[str, Any]:
        categories = [
            {"id": category.id, "name": category.name, "colour": colour_of(place)}
            for place, category in enumerate(review.commit.categories)
        ]
        return {
            "output": review.uri,
            "fingerprint": review.commit.fingerprint,
            "categories": categories,
            "reviewer": reviewer,
            "random_weights": bool(review.commit.random_weights),
        }

    @router.post("/queues")
    def make(wanted: Wanted) -> dict[str, int]:
        queue, total = review.queue(wanted)
        return {"queue": queue, "total": total}

    @router.get("/queues/{queue}")
    def labels(
        queue: int,
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_SHOWN)] = 20,
    ) -> dict[str, Any]:
        return {"labels": review.labels(queue, start, count)}

    @router.get("/labels/{label}/mask")
    def mask(label: Label) -> dict[str, Any]:
        return review.mask(label)

    @router.get("/labels/{label}/image")
    def image(label: Label) -> Response:
        return Response(review.picture(label), media_type="image/jpeg")

    @router.get("/labels/{label}/tile")
    def tile(label: Label) -> Response:
        return Response(review.tile(label), media_type="image/jpeg")

    @router.post("/verdicts")
    def say(batch: Batch) -> dict[str, int]:
        review.say(batch.reviewer, batch.verdicts)
        return {"written": len(batch.verdicts)}

    return router
