"""A labeling job's references become what to expect of them, and which to drop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.scores.bootstrap import bootstrap_interval
from model.segmenter import LoadedReference
from pipeline.presence.study import Study
from pipeline.references.cross import cross, leave_one_out, some_of_each
from pipeline.references.faults import Fault, find_faults

SEED = 0


@dataclass(frozen=True)
class Expected:
    """The mean IoU of references found by the others of their category, and its 95 % interval.

    None where fewer than two could be judged.
    """

    references: int
    iou: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class CategoryChecked:
    """What to expect of a category: as the job has it, and without what is better dropped."""

    category: str
    as_it_is: Expected
    without_dropped: Expected


@dataclass(frozen=True)
class Checked:
    """References looked at, IoU by id of those that the others of their category look for."""

    references: tuple[LoadedReference, ...]
    categories: tuple[CategoryChecked, ...]
    faults: tuple[Fault, ...]
    iou_by_id: dict[str, float]


def check_references(
    study: Study, references: Sequence[LoadedReference], names: dict[int, str]
) -> Checked:
    """Look for every reference by each other one, and by all others of its category together."""
    chosen = some_of_each(references)
    faults = find_faults(cross(study, chosen), names)
    found = leave_one_out(study, chosen)
    dropped = {fault.reference for fault in faults if fault.drop}
    kept = [reference for reference in chosen if reference.id not in dropped]
    again = leave_one_out(study, kept) if dropped else found
    return Checked(
        chosen,
        tuple(
            CategoryChecked(
                names[number],
                _expected(chosen, number, found),
                _expected(kept, number, again),
            )
            for number in sorted({reference.category_id for reference in chosen})
        ),
        tuple(faults),
        found,
    )


def _expected(
    references: Sequence[LoadedReference], category_id: int, found: dict[str, float]
) -> Expected:
    own = [reference.id for reference in references if reference.category_id == category_id]
    iou_E = np.array([found[one] for one in own if one in found])
    if len(iou_E) < 2:
        return Expected(len(own), None, None, None)
    low, high = bootstrap_interval(
        lambda indices: float(iou_E[indices].mean()), np.zeros(len(iou_E)), SEED
    )
    return Expected(len(own), float(iou_E.mean()), low, high)
