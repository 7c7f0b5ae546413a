"""So many right of so many judged become the interval in which the share of all lies.

Wilson 1927: unlike a bootstrap, it has a width when all that was judged is right.
"""

import math
from collections.abc import Sequence

from model.scores.bootstrap import Interval

Z_95 = 1.959964  # two-sided, 95 %


def wilson_interval(right: float, judged: float) -> Interval:
    """Return the 95 % interval of a share; counts may be fractions (an effective size)."""
    if judged <= 0:
        return Interval(0.0, 1.0)
    share, spread = right / judged, Z_95**2 / judged
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / judged + spread / 4 / judged)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def stratified_share(
    sizes: Sequence[int], judged: Sequence[int], right: Sequence[int]
) -> tuple[float, Interval]:
    """Return the share of all strata together and its interval.

    Each stratum counts by its size. The interval is Wilson's for the effective number judged, 1 /
    sum(weight^2 / judged) (Kish 1965). Every stratum has something judged.
    """
    total = sum(sizes)
    weights = [size / total for size in sizes]
    parts = list(zip(weights, judged, right, strict=True))
    share = sum(weight * k / n for weight, n, k in parts)
    effective = 1 / sum(weight**2 / n for weight, n, _ in parts)
    return share, wilson_interval(share * effective, effective)
