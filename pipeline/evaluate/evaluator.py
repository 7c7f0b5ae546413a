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
from model.segmenter import LoadedReference, Prediction, Segmenter
from pipeline.episodes.draw import Episode
from pipeline.episodes.load import EpisodeReader, LoadedEpisode
from pipeline.evaluate.episodes import Variant, annotation_key
from schemas.job.evaluate import GRID_PX
from schemas.record.presence import PresenceHead

Row = dict[str, Any]


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
    """Of targets that show the category."""


class Evaluator:
    """Runs methods on episodes read from an index."""

    def __init__(self, reader: EpisodeReader, methods: Methods, settings: Settings) -> None:
        self._reader = reader
        self._methods = methods
        self._settings = settings

    def count(self, episodes: Sequence[Episode], names: Sequence[str]) -> Mapping[str, list[Row]]:
        """Return each named method's rows, COUNTS_SCHEMA: by episode, then by variant.

        All methods and variants of an episode come before the next episode, so that its images are
        read once and their encodings are still remembered.
        """
        rows: dict[str, list[Row]] = {name: [] for name in names}
        for episode in episodes:
            loaded = self._reader.load(episode)
            truth = TargetTruth(loaded.mask_HW, loaded.ignore_HW)
            for variant in self._settings.variants:
                references = self._annotate(loaded, variant)
                for name in names:
                    segmenter = self._methods.study(name, references)
                    [[prediction]] = segmenter.segment([loaded.target_HW3])
                    row = self._row(loaded, truth, variant, prediction)
                    rows[name].append(row | {"probability": self._probability(name, prediction)})
        return rows

    def _probability(self, name: str, prediction: Prediction) -> float | None:
        head = self._settings.heads.get(name)
        if head is None:
            return None
        return at_share(odds_of(head, prediction), self._settings.share)

    def _annotate(self, loaded: LoadedEpisode, variant: Variant) -> list[LoadedReference]:
        """Draw the variant's annotations from the true masks that the references came with."""
        drawn = []
        for place, reference in enumerate(loaded.references[: variant.shots]):
            truth_HW = reference.annotation
            assert isinstance(truth_HW, np.ndarray), "episodes are loaded with true masks"
            key = annotation_key(
                self._settings.seed, self._settings.fold, loaded.episode.number, place
            )
            mask_HW = grown(truth_HW, variant.mask_growth_px)
            annotation = simulate_annotation(mask_HW, variant.form, Draws(*key))
            drawn.append(replace(reference, annotation=annotation))
        return drawn

    def _row(
        self, loaded: LoadedEpisode, truth: TargetTruth, variant: Variant, prediction: Prediction
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
