"""What the page asks before a changed job is run: its audit sample's labels, before and after."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from pipeline.certify.before_after import (
    Audited,
    audited_labels,
    compared_with,
    counted,
    images_of,
    rle_of,
)
from pipeline.report.pictures import colour_of
from pipeline.review.pictures import with_masks
from pipeline.review.review import Review
from pipeline.studio.draft import Draft
from pipeline.trial.trial import Trial, Trials
from schemas.errors import BadInput
from schemas.spec import Spec


class Begun(Spec):
    """How many labels of each category and bin of the score are compared."""

    each: Annotated[int, Field(ge=1, le=100)] = 2


@dataclass
class _Comparison:
    """Labels of the sample, and the try that labels their images anew."""

    audited: list[Audited]
    trial: Trial


def compare_addresses(trials: Trials, draft: Draft, review: Review) -> APIRouter:
    """Return the addresses; before is what is reviewed, after what the job file makes now."""
    router = APIRouter(prefix="/api/compare")
    begun: list[_Comparison] = []

    @router.post("")
    def begin(asked: Begun) -> dict[str, Any]:
        audited = audited_labels(review, asked.each)
        begun[:] = [_Comparison(audited, trials.begin(draft.job(), images_of(audited)))]
        return look()

    @router.get("")
    def look() -> dict[str, Any]:
        return _described(_last())

    @router.get("/{label}/{when}")
    def picture(label: int, when: Literal["before", "after"]) -> Response:
        comparison = _last()
        labelled = comparison.trial.labelled()
        asked = [one for one in comparison.audited if one.label == label]
        for one, row, _ in compared_with(asked, labelled):
            shown = one.made if when == "before" else row
            masks = [(rle_of(shown), _colour(one))] if shown["area_px"] else []
            small = comparison.trial.tried[labelled[one.made["image_id"]][0]].small
            assert small is not None, "an image with rows has pixels"
            return Response(with_masks(small, masks), media_type="image/jpeg")
        raise BadInput("no picture", "the comparison", f"label {label}", "one that was compared")

    def _colour(one: Audited) -> str:
        ids = [category.id for category in review.commit.categories]
        return colour_of(ids.index(one.made["category_id"]))

    def _last() -> _Comparison:
        if not begun or begun[0].trial is not trials.last:
            raise BadInput("no comparison", "the try", "none, or another since", "compare again")
        return begun[0]

    return router


def _described(comparison: _Comparison) -> dict[str, Any]:
    trial = comparison.trial
    changes = compared_with(comparison.audited, trial.labelled())
    return {
        "state": trial.state,
        "said": trial.said,
        "tried": len(trial.tried),
        "wanted": trial.wanted,
        "counts": counted([(one.made["category"], change) for one, _, change in changes]),
        "labels": [
            {
                "label": one.label,
                "image": one.made["image_id"],
                "category": one.made["category"],
                "outcome": change.outcome,
                "before_iou": change.before_iou,
                "after_iou": change.after_iou,
                "before_score": one.made["score"],
                "after_score": row["score"],
            }
            for one, row, change in changes
        ],
    }
