"""How much what lies under a mask looks like the reference."""

from dataclasses import replace

import pytest
import torch

from model.methods.evidence import Known, look, mask_signals, presence
from model.networks.pseudo_mask import foreground_cells

RED, BLUE = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def halves() -> torch.Tensor:
    """Features [1, 2, 4, 4]: red on the left, blue on the right."""
    return torch.stack([RED, RED, BLUE, BLUE], dim=1)[None, :, None].expand(1, 2, 4, 4)


def logits_of(columns: slice) -> torch.Tensor:
    """A confident mask [1, 1, 16, 16] of some of the four columns of cells."""
    logits = torch.full((1, 1, 16, 4, 4), -20.0)
    logits[..., columns, :] = 20.0
    return logits.flatten(3)


@pytest.mark.parametrize(
    ("columns", "likeness"), [(slice(0, 2), 1.0), (slice(2, 4), 0.0), (slice(0, 4), 0.5**0.5)]
)
def test_presence_is_the_cosine_of_what_lies_under_the_mask(
    columns: slice, likeness: float
) -> None:
    found = presence(halves(), logits_of(columns), RED[None])
    assert float(found) == pytest.approx(likeness, abs=1e-4)


def test_references_weigh_the_same_however_large_their_objects_are() -> None:
    many = foreground_cells(RED[:, None, None].expand(2, 4, 4), torch.ones(4, 4, dtype=torch.bool))
    one = BLUE[None] * 7
    both = look([many, one])
    assert both[0] == pytest.approx(float(both[1]))


def test_references_that_show_nothing_else_give_no_lead() -> None:
    cells = torch.eye(4)
    known = Known(1, cells[:1], cells[:0], cells[:1])
    share = torch.tensor([1.0, 0.5, 0.0, 0.0])
    alike = cells @ known.object_FC.T
    assert mask_signals(cells, share, alike, alike[:, 0], known)["lead"] == 0.0
    around = replace(known, around_GC=cells[1:2])
    assert mask_signals(cells, share, alike, alike[:, 0], around)["lead"] == pytest.approx(1 / 3)
