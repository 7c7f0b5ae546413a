"""A job's references become how it tells present from absent: found once, kept in its output."""

from collections.abc import Iterator, Sequence

import numpy as np

from model.masks.rasterise import rasterise
from model.masks.upsample import mask_at
from model.presence.decide import calibrate, thresholds
from model.presence.head import odds_of
from model.segmenter import LoadedReference, Prediction, by_photo
from pipeline.output.commit import read_choice
from pipeline.output.paths import PRESENCE
from pipeline.presence.heads import PresenceTask, hash_of
from pipeline.presence.study import Study
from pipeline.storage.place import Place
from schemas.record.presence import PresenceChoice

# Photos: for each, all other references are studied anew.
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
    told = [*_left_out(study, references), *_of_negatives(study, references, task.negatives)]
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
    """Look in photos of references, by the others': for what each shows, and is no other category.

    A photo is left out whole, with all that is annotated in it.
    """
    for photo in photos_left_out(references):
        shown = _categories(photo)
        [predictions] = study(_without(photo, references)).segment([photo[0].image_HW3])
        for prediction in predictions:
            if prediction.category_id in shown:
                yield prediction, True
            elif any(lies_on(prediction, reference) for reference in photo):
                yield prediction, False


def photos_left_out(references: Sequence[LoadedReference]) -> list[list[LoadedReference]]:
    """Return the references of each photo that is left out, MOST_LEFT_OUT at most, evenly chosen.

    Without it every category keeps a reference: with fewer categories a job is another one.
    """
    photos = [
        photo
        for photo in by_photo(references)
        if _categories(photo) <= _categories(_without(photo, references))
    ]
    places = np.linspace(0, len(photos) - 1, min(len(photos), MOST_LEFT_OUT))
    return [photos[place] for place in sorted(set(places.round().astype(int).tolist()))]


def _without(
    photo: Sequence[LoadedReference], references: Sequence[LoadedReference]
) -> list[LoadedReference]:
    left_out = {one.id for one in photo}
    return [one for one in references if one.id not in left_out]


def _categories(references: Sequence[LoadedReference]) -> set[int]:
    return {one.category_id for one in references}


def lies_on(prediction: Prediction, reference: LoadedReference) -> bool:
    """Return whether a mask is mostly of the reference's object: so, of no other category.

    Elsewhere in its image another category may well be, of which nobody said anything.
    """
    size_HW = (reference.image_HW3.shape[0], reference.image_HW3.shape[1])
    mask_HW = mask_at(prediction, size_HW, 0.0)
    object_HW = rasterise(reference.annotation, size_HW, size_HW)
    return bool(mask_HW.any() and 2 * np.count_nonzero(mask_HW & object_HW) > mask_HW.sum())


def _of_negatives(
    study: Study, references: Sequence[LoadedReference], negatives: Sequence[np.ndarray]
) -> Iterator[tuple[Prediction, bool]]:
    if not negatives:
        return
    segmenter = study(references)
    for negative in negatives:  # one by one: how many there are is no batch size
        [predictions] = segmenter.segment([negative])
        yield from ((prediction, False) for prediction in predictions)
