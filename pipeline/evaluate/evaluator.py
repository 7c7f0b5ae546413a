"""Episodes become rows of counts: every method, annotation format and number of shots on each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from model.draws import Draws
from model.masks.grow import grown
from model.masks.simulate import simulate_annotation
from model.presence.decide import at_share
from model.presence.head import odds_of
from model.scores.episode_score import TargetTruth, count_pixels
from model.scores.presence import says_there
from model.scores.several_categories import kept_overlaps
from model.segmenter import LoadedReference, Prediction, Segmenter
from pipeline.episodes.draw import Episode
from pipeline.episodes.load import EpisodeReader, LoadedEpisode
from pipeline.evaluate.episodes import Variant, annotation_key, by_number
from schemas.job.evaluate import GRID_PX
from schemas.record.presence import PresenceHead

Row = dict[str, Any]
KEPT = ("kept_intersection_px", "kept_union_px")


class Methods(Protocol):
    """Methods by name, each ready to study any references: `model.side_by_side.SideBySide`."""

    def study(self, name: str, references: Sequence[LoadedReference]) -> Segmenter:
        """Return the named method's segmenter of these references."""
        ...


@dataclass(frozen=True)
class Settings:
    """What an episode's counts depend on besides the episode and the method."""

    fold: int
    seed: int
    variants: tuple[Variant, ...]
    mask_logit: float
    contours: bool = False
    heads: Mapping[str, PresenceHead] = field(default_factory=dict)
    """By method, where probabilities of presence are asked for."""
    share: float = 0.5
    """Of all that is asked for, what targets show."""
    kept: bool = False
    """Whether what decisions leave of the masks is counted too."""


class Evaluator:
    """Runs methods on episodes read from an index."""

    def __init__(self, reader: EpisodeReader, methods: Methods, settings: Settings) -> None:
        self._reader = reader
        self._methods = methods
        self._settings = settings

    def count(self, episodes: Sequence[Episode], names: Sequence[str]) -> Mapping[str, list[Row]]:
        """Return each named method's rows, COUNTS_SCHEMA: by episode, by variant, by category.

        Categories that are asked of one target are studied together, as a labeling job's are, and
        the target is segmented once for all of them.

        All methods and variants of an episode come before the next episode, so that its images are
        read once and their encodings are still remembered.
        """
        rows: dict[str, list[Row]] = {name: [] for name in names}
        for group in by_number(episodes):
            loaded = [self._reader.load(episode) for episode in group]
            truths = [TargetTruth(one.mask_HW, one.ignore_HW) for one in loaded]
            for variant in self._settings.variants:
                references = self._annotate(loaded, variant)
                for name in names:
                    segmenter = self._methods.study(name, references)
                    [predictions] = segmenter.segment([loaded[0].target_HW3])
                    counted = [
                        self._row(one, truth, prediction, variant)
                        | {"probability": self._probability(name, prediction)}
                        for one, truth, prediction in zip(loaded, truths, predictions, strict=True)
                    ]
                    rows[name] += self._kept(counted, predictions, truths)
        return rows

    def _kept(
        self, counted: list[Row], predictions: Sequence[Prediction], truths: Sequence[TargetTruth]
    ) -> list[Row]:
        """Return the rows of one target with what decisions leave of its masks."""
        if not self._settings.kept:
            return [row | dict.fromkeys(KEPT) for row in counted]
        there = [says_there(row["probability"], row["predicted_px"]) for row in counted]
        sure = [row["score"] if (p := row["probability"]) is None else p for row in counted]
        logit = self._settings.mask_logit
        return [
            row | dict(zip(KEPT, (pair.intersection_px, pair.union_px), strict=True))
            for row, pair in zip(
                counted, kept_overlaps(predictions, truths, there, sure, logit), strict=True
            )
        ]

    def _probability(self, name: str, prediction: Prediction) -> float | None:
        head = self._settings.heads.get(name)
        if head is None:
            return None
        return at_share(odds_of(head, prediction), self._settings.share)

    def _annotate(self, loaded: Sequence[LoadedEpisode], variant: Variant) -> list[LoadedReference]:
        """Draw the variant's annotations from the true masks that the references came with."""
        drawn, first = [], 0
        for one in loaded:
            for place, reference in enumerate(one.references[: variant.shots], start=first):
                truth_HW = reference.annotation
                assert isinstance(truth_HW, np.ndarray), "episodes are loaded with true masks"
                key = annotation_key(
                    self._settings.seed, self._settings.fold, one.episode.number, place
                )
                mask_HW = grown(truth_HW, variant.mask_growth_px)
                annotation = simulate_annotation(mask_HW, variant.form, Draws(*key))
                strokes = variant.form == "scribbles"
                drawn.append(replace(reference, annotation=annotation, of_strokes=strokes))
            first += len(one.references)
        return drawn

    def _row(
        self, loaded: LoadedEpisode, truth: TargetTruth, prediction: Prediction, variant: Variant
    ) -> Row:
        counts = count_pixels(
            prediction,
            truth,
            self._settings.mask_logit,
            GRID_PX,
            contours=self._settings.contours,
        )
        return {
            "fold": self._settings.fold,
            "episode": loaded.episode.number,
            "category_id": loaded.episode.category_id,
            "shots": variant.shots,
            "format": variant.form,
            "mask_growth_px": variant.mask_growth_px,
            "negative": loaded.episode.target_object is None,
            **asdict(counts),
        }
