"""The studio's server: its page, and the addresses of the work that was opened.

Each answers from, or writes to, what the command line reads and writes. An image is addressed by a
number from a list, never by a path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from pipeline.review.review import Review, Unknown
from pipeline.studio.click_addresses import click_addresses
from pipeline.studio.clicks import Clicks
from pipeline.studio.draft import Draft
from pipeline.studio.draw_addresses import draw_addresses
from pipeline.studio.gate import Entry, Gate
from pipeline.studio.review_addresses import review_addresses
from pipeline.studio.trial_addresses import trial_addresses
from pipeline.trial.trial import Trials
from schemas.errors import BadInput, ImageRejected

PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Work:
    """What was opened: labels to review, a job to draw, a SAM to ask; each perhaps not."""

    review: Review | None = None
    draft: Draft | None = None
    clicks: Clicks | None = None
    trials: Trials = field(default_factory=Trials)


def make_app(entry: Entry, reviewer: str, opened: Work) -> ASGIApp:
    """Return the server behind its gate; `reviewer` is who is at work unless the page says."""
    # No pages about the addresses themselves: FastAPI's load scripts from elsewhere.
    app = FastAPI(openapi_url=None)
    app.include_router(_page())
    review, draft, clicks = opened.review, opened.draft, opened.clicks
    if review is not None:
        app.include_router(review_addresses(review, reviewer))
    if draft is not None:
        app.include_router(draw_addresses(draft))
        app.include_router(trial_addresses(opened.trials, draft))
    if clicks is not None:
        app.include_router(click_addresses(clicks, review, draft))

    @app.get("/api/work")
    def work() -> dict[str, bool]:
        return {
            "review": review is not None,
            "draw": draft is not None,
            "clicks": clicks is not None,
        }

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
