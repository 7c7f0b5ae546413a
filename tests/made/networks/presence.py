"""A presence head whose log-odds are the method's own presence."""

import numpy as np

from schemas.record.presence import PresenceHead

HEAD = PresenceHead(
    method="vrp",
    sam="nano",
    backbone="nano",
    networks=("own",),
    signals=("presence", "score"),
    mean=(0.0, 0.0),
    deviation=(1.0, 1.0),
    weights=(1.0, 0.0),
    bias=0.0,
    present=tuple(np.linspace(0, 5, 101).tolist()),
    absent=tuple(np.linspace(-5, 1, 101).tolist()),
    training="none",
)
