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
    sizes: Sequence[int], judged: Sequence[int], right: Sequence[float]
) -> tuple[float, Interval]:
    """Return the share of all strata together and its 95 % interval.

    Each stratum counts by its size; right may be fractions, such as sums of IoU. On either side
    the interval is the wider of Wilson's for the effective number judged, W^2 / sum(weight^2 /
    judged) (Kish 1965), and of what the strata's own make together (Zou and Donner 2008): the first
    is too narrow where wrong ones are in one stratum, the second where hardly any are wrong. What
    is judged of few counts for more (judged * (size - 1) / (size - judged)), and a stratum judged
    whole leaves nothing open. Every stratum has something judged.
    """
    total = sum(sizes)
    share = sum(size / total * k / n for size, n, k in zip(sizes, judged, right, strict=True))
    left = [
        (size / total, n * (size - 1) / (size - n), k / n)
        for size, n, k in zip(sizes, judged, right, strict=True)
        if n < size
    ]
    if not left:
        return share, Interval(share, share)
    weight = sum(w for w, _, _ in left)
    effective = weight**2 / sum(w**2 / n for w, n, _ in left)
    mean = sum(w * p for w, _, p in left) / weight
    alike = wilson_interval(mean * effective, effective)
    own = [(w, p, wilson_interval(p * n, n)) for w, n, p in left]
    below = math.hypot(*(w * (p - interval.low) for w, p, interval in own))
    above = math.hypot(*(w * (interval.high - p) for w, p, interval in own))
    return share, Interval(
        max(0.0, share - max(below, weight * (mean - alike.low))),
        min(1.0, share + max(above, weight * (alike.high - mean))),
    )
