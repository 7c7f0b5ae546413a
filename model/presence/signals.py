"""A prediction becomes the numbers by which it is judged whether its object is there."""

from collections.abc import Mapping

import numpy as np

from model.masks.upsample import stability
from model.segmenter import Prediction

OF_MASK = ("presence", "score", "stability", "sureness", "area")
OF_FEATURES = (
    "likeness",
    "agreement",
    "peak",
    "contrast",
    "lead",
    "reverse",
    "rivalry",
    "references",
    "alone",
)


def signals_of(prediction: Prediction) -> Mapping[str, float]:
    """Return the signals by name: the method's own presence and SAM's score, of the mask how firm,
    how sure and how large it is (its side as a share of the model's square, padding included), and
    what the method says of evidence, OF_FEATURES at least.

    The method must have been asked for evidence (`StudyOptions`).
    """
    assert prediction.signals is not None, "studied with StudyOptions(evidence=True)"
    assert prediction.presence is not None, "every method says how present an object is"
    logits_hw = np.clip(prediction.logits_hw, -30, 30)
    lit_hw = logits_hw > 0
    sure_hw = 1 / (1 + np.exp(-logits_hw))
    return {
        "presence": prediction.presence,
        "score": prediction.score,
        "stability": stability(logits_hw, 0.0),
        "sureness": float(sure_hw[lit_hw].mean()) if lit_hw.any() else 0.5,
        "area": float(np.sqrt(lit_hw.mean())),
        **prediction.signals,
    }
