"""The studio's server: its page, and the addresses of the work that was opened.

Each answers from, or writes to, what the command line reads and writes. An image is addressed by a
number from a list, never by a path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.review.review import Review, Unknown
from pipeline.studio.click_addresses import click_addresses
from pipeline.studio.clicks import Clicks
from pipeline.studio.compare_addresses import compare_addresses
from pipeline.studio.draft import Draft
from pipeline.studio.draw_addresses import draw_addresses
from pipeline.studio.gate import Entry, Gate
from pipeline.studio.review_addresses import review_addresses
from pipeline.studio.run import Run
from pipeline.studio.run_addresses import run_addresses
from pipeline.studio.teach import teach_addresses
from pipeline.studio.trial_addresses import trial_addresses
from pipeline.trial.trial import Trials
from schemas.errors import BadInput, ImageRejected
from schemas.faults import in_our_words

PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Work:
    """What was opened: labels to review, a job to draw, a SAM to ask; each perhaps not."""

    review: Review | None = None
    draft: Draft | None = None
    clicks: Clicks | None = None
    trials: Trials = field(default_factory=Trials)
    run: Run | None = None


def make_app(
    entry: Entry, reviewer: str, opened: Work, again: Callable[[], Work] | None = None
) -> ASGIApp:
    """Return the server behind its gate; `reviewer` is who is at work unless the page says.

    again opens the work anew: its job file was written by another program, or has labels now.
    """
    return Gate(_Opened(reviewer, opened, again or (lambda: opened)), entry)


class _Opened:
    """An ASGI app over what is open now."""

    def __init__(self, reviewer: str, opened: Work, again: Callable[[], Work]) -> None:
        self._reviewer, self._again, self._work = reviewer, again, opened
        self._app = self._made()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _reopen(self) -> None:
        """Open the work anew; runs, tries and a loaded SAM go on."""
        before, work = self._work, self._again()
        if before.clicks and work.clicks and before.clicks.spec == work.clicks.spec:
            work = replace(work, clicks=before.clicks)
        self._work = replace(work, trials=before.trials, run=before.run)
        self._app = self._made()

    def _made(self) -> FastAPI:
        # No pages about the addresses themselves: FastAPI's load scripts from elsewhere.
        app = FastAPI(openapi_url=None)
        app.include_router(_page())
        for router in _addresses(self._work, self._reviewer):
            app.include_router(router)

        @app.get("/api/work")
        def work() -> dict[str, bool]:
            if self._work.draft is not None and self._work.draft.is_stale():
                self._reopen()
            opened = self._work
            return {
                "review": opened.review is not None,
                "draw": opened.draft is not None,
                "clicks": opened.clicks is not None,
                "run": opened.draft is not None and opened.run is not None,
            }

        @app.post("/api/work")
        def open_again() -> dict[str, bool]:
            self._reopen()
            return work()

        app.exception_handler(RequestValidationError)(_misunderstood)
        app.exception_handler(BadInput)(_told(400))
        app.exception_handler(Unknown)(_told(404))
        app.exception_handler(ImageRejected)(_told(404))
        app.exception_handler(OSError)(_told(503))
        return app


def _addresses(work: Work, reviewer: str) -> list[APIRouter]:
    review, draft = work.review, work.draft
    routers = []
    if review is not None:
        routers.append(review_addresses(review, reviewer))
    if draft is not None:
        routers += [draw_addresses(draft), trial_addresses(work.trials, draft)]
        if work.run is not None:
            routers.append(run_addresses(work.run, draft))
    if review is not None and draft is not None:
        routers.append(teach_addresses(review, draft))
        routers.append(compare_addresses(work.trials, draft, review))
    if work.clicks is not None:
        routers.append(click_addresses(work.clicks, review, draft))
    return routers


def _told(status: int) -> Callable[[Request, Exception], Response]:
    def tell(_: Request, error: Exception) -> Response:
        message = error.message if isinstance(error, ImageRejected) else str(error)
        return JSONResponse({"detail": message}, status)

    return tell


def _misunderstood(_: Request, error: Exception) -> Response:
    """Say what is wrong with a request, without what was sent: JSON has no word for all of it."""
    assert isinstance(error, RequestValidationError)
    faults = [
        f"{'.'.join(map(str, fault['loc']))}: {in_our_words(fault)}" for fault in error.errors()
    ]
    said = "; ".join(faults[:FAULTS_SHOWN])
    return JSONResponse({"detail": said.encode(errors="backslashreplace").decode()}, 422)


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
