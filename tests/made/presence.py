"""A presence head whose log-odds are the method's own presence."""

import numpy as np

from model.presence.signals import SIGNALS
from schemas.record.presence import PresenceHead

HEAD = PresenceHead(
    method="vrp",
    sam="nano",
    backbone="nano",
    signals=SIGNALS,
    mean=(0.0,) * len(SIGNALS),
    deviation=(1.0,) * len(SIGNALS),
    weights=(1.0,) + (0.0,) * (len(SIGNALS) - 1),
    bias=0.0,
    present=tuple(np.linspace(0, 5, 101).tolist()),
    absent=tuple(np.linspace(-5, 1, 101).tolist()),
    training="none",
)
