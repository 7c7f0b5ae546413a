"""A labeling job's references become what to expect of them, which to drop, and what to add."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.scores.bootstrap import bootstrap_interval
from model.segmenter import LoadedReference, by_category, by_photo
from model.whole_image import Look
from pipeline.presence.study import Study
from pipeline.references.collection import Sampled
from pipeline.references.cross import cross, leave_one_out, some_of_each
from pipeline.references.domain import foreign_faults
from pipeline.references.faults import Fault, find_faults
from pipeline.references.next_reference import next_references

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
    """What to expect of a category: as the job has it, and without what is better dropped.

    advised are images of the collection to annotate next.
    """

    category: str
    category_id: int
    as_it_is: Expected
    without_dropped: Expected
    advised: tuple[Sampled, ...] = ()


@dataclass(frozen=True)
class Checked:
    """References looked at, IoU by id of those that the others of their category look for."""

    references: tuple[LoadedReference, ...]
    categories: tuple[CategoryChecked, ...]
    faults: tuple[Fault, ...]
    iou_by_id: dict[str, float]

    @property
    def kept(self) -> tuple[LoadedReference, ...]:
        """The references that are not better dropped; all, where none would be left."""
        dropped = {fault.reference for fault in self.faults if fault.drop}
        return tuple(one for one in self.references if one.id not in dropped) or self.references


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
                number,
                _expected(chosen, number, found),
                _expected(kept, number, again),
            )
            for number in sorted({reference.category_id for reference in chosen})
        ),
        tuple(faults),
        found,
    )


def with_collection(checked: Checked, images: Sequence[Sampled], look: Look) -> Checked:
    """Return a check with what a sample of the collection says: who is foreign, what to add."""
    if not images:
        return checked
    look_RC = np.stack([look(reference.image_HW3) for reference in checked.references])
    look_NC = np.stack([image.look_C for image in images])
    faults = [*checked.faults, *foreign_faults(checked.references, look_RC, look_NC)]
    order = {reference.id: place for place, reference in enumerate(checked.references)}
    ids_R = np.array([reference.category_id for reference in checked.references])
    categories = tuple(
        replace(
            one,
            advised=next_references(images, look_RC[ids_R == one.category_id], one.category_id),
        )
        for one in checked.categories
    )
    faults.sort(key=lambda fault: order[fault.reference])
    return replace(checked, categories=categories, faults=tuple(faults))


def _expected(
    references: Sequence[LoadedReference], category_id: int, found: dict[str, float]
) -> Expected:
    own = by_category(references).get(category_id, [])
    # Of a photo's, whose figure is one, the first stands for all.
    iou_E = np.array([found[one[0].id] for one in by_photo(own) if one[0].id in found])
    if len(iou_E) < 2:
        return Expected(len(own), None, None, None)
    low, high = bootstrap_interval(
        lambda indices: float(iou_E[indices].mean()), np.zeros(len(iou_E)), SEED
    )
    return Expected(len(own), float(iou_E.mean()), low, high)
