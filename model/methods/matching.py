"""Cells of a reference and of a target are matched both ways, and the matches' places clustered.

Matcher (Liu et al. 2024, arXiv 2305.13310), patch-level matching and robust prompt sampler.

Letters beyond those of model/segmenter.py: F cells on the reference's object, R all cells of all
references, S cells of the target, T matched cells of the target.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.draws import Draws

# Of more matches than this the weaker half is left out, as in the authors' code.
FEW_MATCHES = 40
# k-means on some hundred cells settles within a dozen rounds; a bound for ties that swap.
KMEANS_ROUNDS = 100


@dataclass(frozen=True)
class Matches:
    """Cells of the target that the reference's object matches, and lead back to it.

    returned is the share of the object's cells whose match leads back.
    """

    cells_T: np.ndarray
    returned: float


def match_both_ways(similarity_RS: Tensor, object_R: Tensor) -> Matches:
    """Match the object's cells to the target, and back; keep what returns to the object.

    The paper assigns cells one to one; here each goes to its nearest by cosine, which needs no
    assignment solver and differs where two cells want the same one. Where nothing returns, the
    authors' code keeps all matches; here that says that the object is absent.
    """
    best_F, target_F = similarity_RS[object_R].max(dim=1)
    # Once a target cell: a column for every match, [R, F], would be a copy many times as large.
    back_F = similarity_RS.argmax(dim=0)[target_F]
    returns_F = object_R[back_F]
    kept, strength = target_F[returns_F], best_F[returns_F]
    if len(kept) > FEW_MATCHES:
        kept = kept[strength.argsort(descending=True, stable=True)[: len(kept) // 2]]
    return Matches(kept.unique().cpu().numpy(), float(returns_F.float().mean()))


def cluster_centres(places_T2: np.ndarray, count: int, draws: Draws) -> np.ndarray:
    """Return the centres of k-means++ clusters [K, 2], K at most count and the distinct places."""
    places_T2 = places_T2.astype(np.float64)
    count = min(count, len(np.unique(places_T2, axis=0)))
    centres = [places_T2[draws.below(len(places_T2))]]
    while len(centres) < count:
        nearest_T = _squares(places_T2, np.stack(centres)).min(axis=1)
        reached = np.searchsorted(np.cumsum(nearest_T), draws.unit() * nearest_T.sum(), "right")
        centres.append(places_T2[min(int(reached), len(places_T2) - 1)])
    centres_K2 = np.stack(centres)
    for _ in range(KMEANS_ROUNDS):
        cluster_T = _squares(places_T2, centres_K2).argmin(axis=1)
        moved_K2 = np.stack(
            [
                places_T2[cluster_T == k].mean(axis=0) if (cluster_T == k).any() else centre_2
                for k, centre_2 in enumerate(centres_K2)
            ]
        )
        if (moved_K2 == centres_K2).all():
            break
        centres_K2 = moved_K2
    return centres_K2


def point_sets(
    centres: int, sizes: tuple[int, int], count: int, draws: Draws
) -> list[tuple[int, ...]]:
    """Draw different sets of centres, of the least to the most points, at most count of them.

    All there are, where these are fewer. The first holds as many centres as it may.
    """
    least, most = min(sizes[0], centres), min(sizes[1], centres)
    sets = {tuple(sorted(draws.distinct(most, centres))): None}
    # Sets that come again are drawn again; with few centres there are few different ones.
    for _ in range(8 * count):
        if len(sets) >= count:
            break
        sets[tuple(sorted(draws.distinct(draws.between(least, most), centres)))] = None
    return list(sets)


def earth_movers_bound(cost_FS: Tensor, proposals_QS: Tensor) -> Tensor:
    """Return a lower bound of the earth mover's distance of the object to each proposal: [Q].

    Every cell goes to its cheapest partner, from both sides, and the greater sum counts ("relaxed"
    distance, Kusner et al. 2015). It is the distance itself where the cheapest do not collide.
    """
    cheapest_S = cost_FS.amin(dim=0)
    cells_Q = proposals_QS.sum(dim=1).clamp(min=1)
    to_object_Q = (proposals_QS * cheapest_S).sum(dim=1) / cells_Q
    to_proposal_Q = torch.stack(
        [
            cost_FS[:, lit_S].amin(dim=1).mean() if lit_S.any() else cost_FS.max()
            for lit_S in proposals_QS
        ]
    )
    return torch.maximum(to_object_Q, to_proposal_Q)


def _squares(places_T2: np.ndarray, centres_K2: np.ndarray) -> np.ndarray:
    return ((places_T2[:, None] - centres_K2[None]) ** 2).sum(axis=2)
