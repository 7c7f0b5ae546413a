"""What references and a collection's images look like becomes which references are of elsewhere.

Letters beyond those of model/segmenter.py: R references, N images of the collection.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from model.segmenter import LoadedReference
from pipeline.references.faults import Fault

# Of references from the collection itself, so many are called foreign: they lie among its images,
# and any of these is as likely to be the one furthest from all others. Measured: docs/presence.md.
FALSE_ALARMS = 0.04
LEAST_IMAGES = 16
"""With fewer, the furthest of them says little."""


def foreign(look_RC: np.ndarray, look_NC: np.ndarray) -> np.ndarray:
    """Return which references lie further from all images than those do from each other, bool [R].

    Looks are of length 1. Of fewer than LEAST_IMAGES none is called foreign.
    """
    if len(look_NC) < LEAST_IMAGES:
        return np.zeros(len(look_RC), bool)
    among_NN = look_NC @ look_NC.T
    np.fill_diagonal(among_NN, -1.0)
    furthest_N = np.sort(among_NN.max(axis=1))
    allowed = max(1, int(FALSE_ALARMS * (len(look_NC) + 1)))
    return (look_RC @ look_NC.T).max(axis=1) < furthest_N[allowed - 1]


def foreign_faults(
    references: Sequence[LoadedReference], look_RC: np.ndarray, look_NC: np.ndarray
) -> Iterator[Fault]:
    """Yield a fault for every reference that is foreign to a collection."""
    for reference, is_foreign in zip(references, foreign(look_RC, look_NC), strict=True):
        if is_foreign:
            said = (
                f"looks less like any of {len(look_NC)} images of the collection than these look "
                "like each other: one from the collection says more"
            )
            yield Fault(reference.id, "other_domain", said)
