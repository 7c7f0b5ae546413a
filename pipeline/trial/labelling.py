"""A job and a sample of its images become label rows, one image at a time, networks kept."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from PIL import Image

from model.build import least_presence_of
from model.methods.prompted_sam import from_presence
from model.presence.decide import Judge, Wanted, thresholds
from pipeline.images.decode import DecodedImage
from pipeline.inputs.sample import choose_sample, read_chosen, read_sample, spread
from pipeline.inputs.shards import EncodedImage
from pipeline.inputs.sources import Inputs, plan_inputs
from pipeline.label.rows import RowContext, label_rows, unsound
from pipeline.label.stages import Stages
from pipeline.trial.moved import Moved, as_chosen
from pipeline.trial.networks import Networks, made_for, study_references
from pipeline.trial.trial import IMAGES, Trial, Tried
from pipeline.weights.of_method import local_method
from schemas.errors import ImageRejected
from schemas.job.label import LabelJob

LEAST_IMAGES = 4
MOST_PREDICTIONS = 960  # of 0.25 MB each, kept so that a threshold can be moved
ROWS_KEPT = 8 * IMAGES  # under the last few thresholds
SMALL_PX = 480


class Labelling:
    """Holds the networks of the last job that was tried."""

    def __init__(self) -> None:
        self._networks: Networks | None = None

    def label(self, trial: Trial) -> None:
        """Label the trial's sample, or as much as comes before it is stopped. Raises BadInput."""
        if trial.stopped:
            return
        trial.state, job = "studying", trial.job
        inputs = plan_inputs(job.targets, job.storage, job.compute.images_per_unit)
        networks = self._networks_for(job)
        trial.moved = as_chosen(job, least_presence_of(local_method(job.method, job.storage)))
        segmenter, context = study_references(job, networks)
        trial.rows = _kept_rows(trial, context)
        stages = Stages(segmenter, context, job.compute, job.limits, None)
        listed = sum(len(shard.images) for shard in inputs.shards)
        trial.total = listed or None
        images = _images(trial, inputs, MOST_PREDICTIONS // len(context.references))
        sizes: list[int] = []
        trial.state = "labelling"
        for image in images:
            if trial.stopped:
                return
            _try(trial, stages, image, networks)
            sizes.append(len(image.data))
            if not listed and inputs.size_bytes and sum(sizes):
                trial.total = round(inputs.size_bytes * len(sizes) / sum(sizes))
        trial.wanted = len(trial.tried)

    def _networks_for(self, job: LabelJob) -> Networks:
        if self._networks is None or self._networks.made_for != made_for(job):
            self._networks = None  # before others are loaded: there may be room for one alone
            self._networks = Networks(job)
        return self._networks


def _images(trial: Trial, inputs: Inputs, most: int) -> Iterator[EncodedImage]:
    """Begin to read what is to be labelled, and note how much that is: `most` where room ends."""
    if trial.chosen:
        chosen = spread(trial.chosen, max(LEAST_IMAGES, most))
        trial.wanted = len(chosen)
        return read_chosen(chosen, trial.job)
    most = max(LEAST_IMAGES, min(IMAGES, most))
    trial.wanted = min(trial.total or most, most)
    return read_sample(choose_sample(inputs.shards, most), trial.job)


def _try(trial: Trial, stages: Stages, image: EncodedImage, networks: Networks) -> None:
    start = time.perf_counter()
    decoded = stages.decode(image)
    [segmented], _ = stages.segment([decoded])
    small = None
    if isinstance(decoded.outcome, DecodedImage):
        small = Image.fromarray(decoded.outcome.pixels_HW3)
        small.thumbnail((SMALL_PX, SMALL_PX), Image.Resampling.BICUBIC, reducing_gap=3)
    outcome = segmented.outcome
    if not isinstance(outcome, ImageRejected) and (said := unsound(outcome)):
        outcome = ImageRejected("model", said)
    trial.tried.append(Tried(image.image_id, segmented.size_HW, small, outcome))
    trial.rows(len(trial.tried) - 1, trial.moved)
    networks.seconds_by_image.setdefault(image.uri, time.perf_counter() - start)
    taken = list(networks.seconds_by_image.values())
    # The first is slower: memory is asked for, kernels are chosen.
    trial.seconds = sum(taken[1:] or taken) / len(taken[1:] or taken)


def _kept_rows(trial: Trial, context: RowContext) -> Callable[[int, Any], list[dict[str, Any]]]:
    """Return what tells the rows that `vrp label` would write; none of a rejected image."""

    @lru_cache(ROWS_KEPT)
    def rows(place: int, moved: Any) -> list[dict[str, Any]]:
        one = trial.tried[place]
        if isinstance(one.outcome, ImageRejected):
            return []
        predictions = [from_presence(found, moved.min_presence) for found in one.outcome]
        return label_rows(predictions, one.size_HW, _moved_context(context, moved))

    return rows


def _moved_context(context: RowContext, moved: Moved) -> RowContext:
    named = {"min_score", "min_stability", "min_area_px"}
    chosen = context.thresholds.model_copy(update=moved.model_dump(include=named))
    judge = context.judge
    if judge is not None and moved.precision is not None:
        wanted = Wanted(moved.precision, chosen.recall, chosen.share)
        labelled_from, absent_below = thresholds(judge.head, wanted)
        update = {"labelled_from": labelled_from, "absent_below": absent_below}
        judge = Judge(judge.head, judge.choice.model_copy(update=update))
    return replace(context, thresholds=chosen, judge=judge)
