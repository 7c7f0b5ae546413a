"""What the page asks of a try: to begin one, what came of it so far, its pictures."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from pipeline.report.pictures import colour_of
from pipeline.review.pictures import with_masks
from pipeline.studio.draft import Draft
from pipeline.trial.moved import Moved
from pipeline.trial.trial import Trial, Trials
from schemas.errors import BadInput, ImageRejected

SHOWN = ("category", "status", "score", "stability", "presence", "probability", "area_px")


def trial_addresses(trials: Trials, draft: Draft) -> APIRouter:
    """Return the addresses; a try is of the job file as it is saved."""
    router = APIRouter(prefix="/api/trial")

    @router.post("")
    def begin() -> dict[str, Any]:
        return _described(trials.begin(draft.job()), None)

    @router.get("")
    def look(moved: Annotated[Moved, Query()]) -> dict[str, Any]:
        return _described(_last(), moved)

    @router.get("/chosen")
    def look_as_chosen() -> dict[str, Any]:
        return _described(_last(), None)

    @router.post("/keep")
    def keep(moved: Moved) -> dict[str, Any]:
        trial = _last()
        draft.keep(trial.moved, moved)
        trial.moved = moved
        return draft.describe()

    @router.get("/images/{place}")
    def picture(place: int, moved: Annotated[Moved, Query()]) -> Response:
        trial = _last()
        if not 0 <= place < len(trial.tried) or (small := trial.tried[place].small) is None:
            raise BadInput("no picture", "the try", f"image {place}", "one that could be decoded")
        masks = [
            (_runs(row), colour_of(number))
            for number, row in enumerate(trial.rows(place, moved))
            if row["status"] == "labelled"
        ]
        return Response(with_masks(small, masks), media_type="image/jpeg")

    def _last() -> Trial:
        if trials.last is None:
            raise BadInput("no try", "the try", "none was begun", "try on 24 images")
        return trials.last

    return router


def _runs(row: dict[str, Any]) -> dict[str, Any]:
    return {"size": [row["height"], row["width"]], "counts": row["rle_counts"].encode()}


def _described(trial: Trial, moved: Moved | None) -> dict[str, Any]:
    """Return a try under thresholds, those of the job where none are given."""
    moved = moved or trial.moved
    return {
        "state": trial.state,
        "said": trial.said,
        "wanted": trial.wanted,
        "total": trial.total,
        "seconds": trial.seconds,
        "moved": moved.model_dump(),
        "categories": [
            {"name": category.name, "colour": colour_of(place)}
            for place, category in enumerate(trial.job.numbered_categories())
        ],
        "images": [_image(trial, place, moved) for place in range(len(trial.tried))],
    }


def _image(trial: Trial, place: int, moved: Moved) -> dict[str, Any]:
    one = trial.tried[place]
    if isinstance(one.outcome, ImageRejected):
        return {"id": one.image_id, "rejected": str(one.outcome), "labels": []}
    rows = trial.rows(place, moved)
    return {
        "id": one.image_id,
        "rejected": None,
        "labels": [{name: row.get(name) for name in SHOWN} for row in rows],
    }
