"""What the drawing page asks and says: addresses of images and of the job file."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from pipeline.studio.draft import Draft, Drawn, Kept
from schemas.spec import Spec

MOST_SHOWN = 500
MOST_REFERENCES = 1000


class Job(Spec):
    """All references that the job file is to hold."""

    version: str
    references: Annotated[tuple[Kept | Drawn, ...], Field(max_length=MOST_REFERENCES)]


def draw_addresses(draft: Draft) -> APIRouter:
    """Return the addresses."""
    router = APIRouter(prefix="/api")
    collection = draft.collection

    @router.get("/images")
    def images(
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_SHOWN)] = 100,
    ) -> dict[str, Any]:
        shown = collection.images[start : start + count]
        return {"total": len(collection.images), "ids": [image_id for image_id, _ in shown]}

    @router.get("/images/named")
    def named(id: Annotated[str, Query(max_length=10_000)]) -> dict[str, int]:  # noqa: A002
        return {"image": collection.number(id)}

    @router.get("/images/{image}")
    def size(image: int) -> dict[str, Any]:
        return {"size": collection.picture(image).size_HW}

    @router.get("/images/{image}/picture")
    def picture(image: int) -> Response:
        return Response(collection.picture(image).jpeg, media_type="image/jpeg")

    @router.get("/images/{image}/small")
    def small(image: int) -> Response:
        return Response(collection.small(image), media_type="image/jpeg")

    @router.get("/job")
    def job() -> dict[str, Any]:
        return draft.describe()

    @router.post("/job")
    def save(job: Job) -> dict[str, Any]:
        draft.save(job.references, job.version)
        return draft.describe()

    return router
