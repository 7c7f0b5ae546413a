"""A prediction becomes the row of numbers by which it is judged whether its object is there."""

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
)
SIGNALS = (*OF_MASK, *OF_FEATURES)
"""What `signals_of` returns, in this order."""


def signals_of(prediction: Prediction) -> np.ndarray:
    """Return SIGNALS, float64: the method's own presence and SAM's score, of the mask how firm, how
    sure and how large it is (its side as a share of the image's), and what the features say.

    The method must have been asked for evidence (`StudyOptions`).
    """
    assert prediction.signals is not None, "studied with StudyOptions(evidence=True)"
    assert prediction.presence is not None, "every method says how present an object is"
    logits_hw = np.clip(prediction.logits_hw, -30, 30)
    lit_hw = logits_hw > 0
    sure_hw = 1 / (1 + np.exp(-logits_hw))
    return np.array(
        [
            prediction.presence,
            prediction.score,
            stability(logits_hw, 0.0),
            float(sure_hw[lit_hw].mean()) if lit_hw.any() else 0.5,
            float(np.sqrt(lit_hw.mean())),
            *(prediction.signals[name] for name in OF_FEATURES),
        ],
        dtype=np.float64,
    )
