"""Pictures of known truth become a head, or the figures of one that was fitted on others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.masks.upsample import mask_at
from model.presence.decide import at_share
from model.presence.head import Examples, log_odds
from model.presence.signals import signals_of
from model.scores.metrics import overlap, presence_auroc
from model.scores.presence import (
    calibration_error,
    false_masks_at_recall,
    risk_area,
    risk_coverage,
)
from pipeline.presence.episodes import Episode, draw_episodes
from pipeline.presence.pictures import photo_pictures, scene_pictures
from pipeline.presence.study import Study
from schemas.record.presence import PresenceHead

SCENES_PER_EPISODE = 2


@dataclass(frozen=True)
class PhotoFolder:
    """A folder of photos, which of its categories are asked for (none: all) and not used.

    unmarked is a file of what photos may show without a mask.
    """

    folder: Path
    asked: Sequence[str] = ()
    left_out: Sequence[str] = ()
    unmarked: Path | None = None

    def __str__(self) -> str:
        of = f" of {len(self.asked)} categories" if self.asked else ""
        without = f" without {', '.join(self.left_out)}" if self.left_out else ""
        less = f" less what {self.unmarked.name} names" if self.unmarked else ""
        return f"photos in {self.folder.name}{of}{without}{less}"


@dataclass(frozen=True)
class Shown:
    """Which pictures jobs are drawn from: scenes of categories (none: no scenes), and photos."""

    categories: Sequence[str]
    photos: PhotoFolder | None
    episodes: int
    seed: int

    @property
    def pictures(self) -> int:
        """How many scenes are drawn; images come again from episode to episode."""
        return SCENES_PER_EPISODE * self.episodes

    def draw(self) -> Iterator[Episode]:
        """Draw as many jobs of each kind as there are episodes; none mixes the two."""
        if self.categories:
            scenes = list(scene_pictures(self.categories, self.pictures, self.seed))
            yield from draw_episodes(scenes, self.episodes, self.seed)
        if self.photos is not None:
            given = self.photos
            photos = list(photo_pictures(given.folder, given.asked, given.left_out, given.unmarked))
            yield from draw_episodes(photos, self.episodes, self.seed)

    def __str__(self) -> str:
        kinds = []
        if self.categories:
            kinds.append(f"{self.pictures} scenes of {len(self.categories)} categories")
        if self.photos is not None:
            kinds.append(str(self.photos))
        return f"{' and '.join(kinds)}, {self.episodes} episodes of each, seed {self.seed}"


def examples_of(study: Study, episodes: Iterable[Episode]) -> tuple[Examples, np.ndarray]:
    """Label every episode; return signals with the truth, and the masks' IoU [E] (absent: 0).

    What may be there unmarked is no example.
    """
    names: tuple[str, ...] = ()
    signals, present, number_of, ious = [], [], [], []
    for number, episode in enumerate(episodes):
        segmenter = study(episode.references)
        found = segmenter.segment([target.image_HW3 for target in episode.targets])
        for target, predictions in zip(episode.targets, found, strict=True):
            for prediction in predictions:
                name = episode.names[prediction.category_id]
                if name in target.unmarked:
                    continue
                truth_HW = target.masks.get(name)
                said = signals_of(prediction)
                names = tuple(said)
                signals.append([said[name] for name in names])
                present.append(truth_HW is not None)
                number_of.append(number)
                size_HW = (target.image_HW3.shape[0], target.image_HW3.shape[1])
                mask_HW = mask_at(prediction, size_HW, 0.0)
                both = overlap(mask_HW, np.zeros(size_HW, bool) if truth_HW is None else truth_HW)
                ious.append(both.intersection_px / max(both.union_px, 1))
    examples = Examples(names, np.array(signals), np.array(present), np.array(number_of))
    return examples, np.array(ious)


def head_figures(head: PresenceHead, examples: Examples, iou_E: np.ndarray) -> dict[str, float]:
    """Return how well a head tells present from absent, beside the method's own presence."""
    of_head = [examples.names.index(name) for name in head.signals]
    return figures_of(log_odds(head, examples.signals_EN[:, of_head]), examples, iou_E)


def figures_of(odds_E: np.ndarray, examples: Examples, iou_E: np.ndarray) -> dict[str, float]:
    """Return how well log-odds tell present from absent, beside the method's own presence.

    Probabilities are at the examples' own share of present ones, as a job says its `share`; of a
    lone category's examples, at theirs.
    """
    present_E, alone_E = examples.present_E, examples.alone
    share_E = np.where(alone_E, _share(present_E[alone_E]), _share(present_E[~alone_E]))
    chance_E = np.array([at_share(*pair) for pair in zip(odds_E, share_E, strict=True)])
    raw_E = examples.signals_EN[:, examples.names.index("presence")]
    return {
        "pairs": len(present_E),
        "present": int(present_E.sum()),
        "iou_of_present": float(iou_E[present_E].mean()),
        "auroc": presence_auroc(chance_E, present_E),
        "auroc_of_raw_presence": presence_auroc(raw_E, present_E),
        "false_masks_at_95_recall": false_masks_at_recall(chance_E, present_E),
        "false_masks_at_95_recall_of_raw_presence": false_masks_at_recall(raw_E, present_E),
        "calibration_error": calibration_error(chance_E, present_E),
        "mean_risk": risk_area(chance_E, present_E),
        **{
            f"risk_at_{coverage:.1f}": risk
            for coverage, risk in risk_coverage(chance_E, present_E)[4::5]
        },
    }


def _share(present_E: np.ndarray) -> float:
    """Return the share of present ones, never wholly 0 or 1."""
    return float(np.clip(present_E.mean(), 0.01, 0.99)) if len(present_E) else 0.5
