"""Matches, clusters and distances on cells that can be drawn on paper."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from model.draws import Draws
from model.methods.matching import cluster_centres, earth_movers_bound, match_both_ways, point_sets


def test_a_match_counts_only_if_it_leads_back_to_the_object() -> None:
    # Reference cells 0 and 1 are the object. Cell 0 goes to target 0, and target 0 back to it; cell
    # 1 goes to target 1, which is nearer to the background's cell 2.
    similarity_RS = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.6, 0.1], [0.1, 0.8, 0.2]])
    matches = match_both_ways(similarity_RS, torch.tensor([True, True, False]))
    assert matches.cells_T.tolist() == [0]
    assert matches.returned == 0.5


def test_where_no_match_leads_back_there_is_none() -> None:
    similarity_RS = torch.tensor([[0.5, 0.4], [0.9, 0.9]])
    matches = match_both_ways(similarity_RS, torch.tensor([True, False]))
    assert (matches.cells_T.tolist(), matches.returned) == ([], 0.0)


def test_of_many_matches_the_stronger_half_stays() -> None:
    strength = torch.linspace(1.0, 0.1, 50)
    matches = match_both_ways(torch.diag(strength), torch.ones(50, dtype=torch.bool))
    assert matches.cells_T.tolist() == list(range(25))
    few = match_both_ways(torch.diag(strength[:40]), torch.ones(40, dtype=torch.bool))
    assert few.cells_T.tolist() == list(range(40))


@pytest.mark.parametrize("seed", range(20))
def test_where_cells_are_alike_the_first_one_is_led_back_to(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Of three values, so that nearly every cell has several that are nearest.
    similarity_RS = torch.randint(0, 3, (60, 25), generator=generator) / 2
    object_R = torch.rand(60, generator=generator) < 0.8
    target_F = similarity_RS[object_R].max(dim=1).indices
    returns_F = object_R[similarity_RS[:, target_F].argmax(dim=0)]
    matches = match_both_ways(similarity_RS, object_R)
    assert matches.returned == returns_F.float().mean()
    assert set(matches.cells_T.tolist()) <= set(target_F[returns_F].tolist())


def test_nothing_of_the_size_of_all_references_cells_squared_is_made() -> None:
    class Sizes(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.greatest = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            if isinstance(made, Tensor):
                self.greatest = max(self.greatest, made.numel())
            return made

    similarity_RS = torch.rand(400, 10, generator=torch.Generator().manual_seed(0))
    with Sizes() as sizes:
        match_both_ways(similarity_RS, torch.ones(400, dtype=torch.bool))
    assert sizes.greatest <= similarity_RS.numel()


def test_clusters_are_where_the_places_are_whatever_is_drawn() -> None:
    corners = np.array([[0, 0], [0, 20], [20, 0], [20, 20]])
    around = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    places = (corners[:, None] + around[None]).reshape(-1, 2)
    for seed in range(5):
        centres = cluster_centres(places, 4, Draws(seed))
        assert sorted(map(tuple, centres - 0.5)) == sorted(map(tuple, corners.astype(float)))


def test_there_are_no_more_clusters_than_places() -> None:
    places = np.array([[1, 1], [1, 1], [4, 2]])
    assert len(cluster_centres(places, 8, Draws(0))) == 2
    assert cluster_centres(places[:1], 8, Draws(0)).tolist() == [[1.0, 1.0]]


def test_point_sets_differ_and_hold_as_many_points_as_asked() -> None:
    sets = point_sets(8, (4, 6), 30, Draws(1))
    assert len(set(sets)) == len(sets) == 30
    assert {len(one) for one in sets} == {4, 5, 6}
    assert all(len(set(one)) == len(one) and max(one) < 8 for one in sets)
    assert sets == point_sets(8, (4, 6), 30, Draws(1))


def test_few_centres_give_few_sets() -> None:
    assert point_sets(2, (4, 6), 30, Draws(1)) == [(0, 1)]
    assert sorted(point_sets(3, (2, 3), 30, Draws(1))) == [(0, 1), (0, 1, 2), (0, 2), (1, 2)]


def test_the_distance_is_that_of_moving_each_cell_to_its_partner() -> None:
    cost_FS = torch.tensor([[0.1, 0.5, 0.9], [0.6, 0.2, 0.9]])
    proposals = torch.tensor([[True, True, False], [True, False, False], [False, False, True]])
    # The first pairs cells by 0.1 and 0.2; the second must bring both to one cell: (0.1 + 0.6) / 2;
    # in the third every move costs 0.9.
    distances = earth_movers_bound(cost_FS, proposals)
    torch.testing.assert_close(distances, torch.tensor([0.15, 0.35, 0.9]))


def test_the_bound_never_exceeds_the_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        cost = torch.rand(3, 3, generator=generator)
        orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
        exact = min(float(cost[[0, 1, 2], list(order)].mean()) for order in orders)
        bound = float(earth_movers_bound(cost, torch.ones(1, 3, dtype=torch.bool))[0])
        assert bound <= exact + 1e-6


def test_an_empty_proposal_is_as_far_as_can_be() -> None:
    cost_FS = torch.tensor([[0.1, 0.7]])
    assert earth_movers_bound(cost_FS, torch.tensor([[False, False]])).item() == torch.tensor(0.7)
