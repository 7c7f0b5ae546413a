"""The studio's addresses: each answers from, or writes to, what the command line reads and writes.

An image is addressed by the number of a label, never by a path.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi import Path as InAddress
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.types import ASGIApp

from pipeline.report.pictures import colour_of
from pipeline.studio.gate import Entry, Gate
from pipeline.studio.queue import Wanted
from pipeline.studio.review import Review, Said, Unknown
from schemas.errors import BadInput, ImageRejected
from schemas.spec import Spec

PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
MOST_SHOWN = 200
MOST_VERDICTS = 1000

Label = Annotated[int, InAddress(ge=0)]


class Batch(Spec):
    """Verdicts of one reviewer."""

    reviewer: str
    verdicts: Annotated[tuple[Said, ...], Field(min_length=1, max_length=MOST_VERDICTS)]


def make_app(review: Review, reviewer: str, entry: Entry) -> ASGIApp:
    """Return the server behind its gate; `reviewer` is who is at work unless the page says."""
    # No pages about the addresses themselves: FastAPI's load scripts from elsewhere.
    app = FastAPI(openapi_url=None)
    app.include_router(_page())
    app.include_router(_review(review, reviewer))
    app.exception_handler(BadInput)(_told(400))
    app.exception_handler(Unknown)(_told(404))
    app.exception_handler(ImageRejected)(_told(404))
    app.exception_handler(OSError)(_told(503))
    return Gate(app, entry)


def _told(status: int) -> Callable[[Request, Exception], Response]:
    def tell(_: Request, error: Exception) -> Response:
        message = error.message if isinstance(error, ImageRejected) else str(error)
        return JSONResponse({"detail": message}, status)

    return tell


def _page() -> APIRouter:
    """Serve the page's own few files, which are read once: no name leads to another."""
    files = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    router = APIRouter()

    @router.get("/")
    def index() -> Response:
        return Response(files["index.html"], media_type="text/html")

    @router.get("/page/{name}")
    def file(name: str) -> Response:
        if name not in files:
            return Response("no such file\n", 404)
        return Response(files[name], media_type=KINDS[Path(name).suffix])

    return router


def _review(review: Review, reviewer: str) -> APIRouter:
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

    @router.get("/counts")
    def counts() -> dict[str, int]:
        return review.counts()

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

    @router.post("/verdicts")
    def say(batch: Batch) -> dict[str, int]:
        review.say(batch.reviewer, batch.verdicts)
        return {"written": len(batch.verdicts)}

    return router
