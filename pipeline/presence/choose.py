"""A job's references become how it tells present from absent: found once, kept in its output."""

from collections.abc import Iterator, Sequence

import numpy as np

from model.masks.rasterise import rasterise
from model.masks.upsample import mask_at
from model.presence.decide import calibrate, thresholds
from model.presence.head import odds_of
from model.segmenter import LoadedReference, Prediction
from pipeline.output.commit import read_choice
from pipeline.output.paths import PRESENCE
from pipeline.presence.heads import PresenceTask, hash_of
from pipeline.presence.study import Study
from pipeline.storage.place import Place
from schemas.record.presence import PresenceChoice

# Each is looked for with all others studied anew.
MOST_LEFT_OUT = 12


def kept_choice(
    output: Place, study: Study, references: Sequence[LoadedReference], task: PresenceTask
) -> PresenceChoice:
    """Return the output's choice; the first actor that comes makes it, the others read it."""
    choice = read_choice(output)
    if choice is not None:
        return choice
    made = choose(study, references, task)
    output.below(PRESENCE).create(made.model_dump_json(indent=1).encode())
    choice = read_choice(output)
    assert choice is not None, "created by this actor or by one that was faster"
    return choice


def choose(
    study: Study, references: Sequence[LoadedReference], task: PresenceTask
) -> PresenceChoice:
    """Calibrate the head with what a job says itself, and turn what is wanted into thresholds."""
    told = [*_left_out(study, references), *_without(study, references, task.negatives)]
    odds = [odds_of(task.head, one) for one, _ in told]
    present = [is_there for _, is_there in told]
    scale, shift = calibrate(odds, present)
    labelled_from, absent_below = thresholds(task.head, task.wanted)
    return PresenceChoice(
        head=hash_of(task.head),
        scale=scale,
        shift=shift,
        shown=sum(present),
        absent=len(present) - sum(present),
        share=task.wanted.share,
        labelled_from=labelled_from,
        absent_below=absent_below,
    )


def _left_out(
    study: Study, references: Sequence[LoadedReference]
) -> Iterator[tuple[Prediction, bool]]:
    """Look in each reference's image for its category, by the others, and for the others' own."""
    places = np.linspace(0, len(references) - 1, min(len(references), MOST_LEFT_OUT))
    for place in sorted(set(places.round().astype(int).tolist())):
        left_out = references[place]
        rest = [reference for reference in references if reference is not left_out]
        if not rest:
            return
        [predictions] = study(rest).segment([left_out.image_HW3])
        for prediction in predictions:
            if prediction.category_id == left_out.category_id:
                yield prediction, True
            elif lies_on(prediction, left_out):
                yield prediction, False


def lies_on(prediction: Prediction, reference: LoadedReference) -> bool:
    """Return whether a mask is mostly of the reference's object: so, of no other category.

    Elsewhere in its image another category may well be, of which nobody said anything.
    """
    size_HW = (reference.image_HW3.shape[0], reference.image_HW3.shape[1])
    mask_HW = mask_at(prediction, size_HW, 0.0)
    object_HW = rasterise(reference.annotation, size_HW, size_HW)
    return bool(mask_HW.any() and 2 * np.count_nonzero(mask_HW & object_HW) > mask_HW.sum())


def _without(
    study: Study, references: Sequence[LoadedReference], negatives: Sequence[np.ndarray]
) -> Iterator[tuple[Prediction, bool]]:
    if negatives:
        for predictions in study(references).segment(negatives):
            yield from ((prediction, False) for prediction in predictions)
