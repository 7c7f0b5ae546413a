"""How much what lies under a mask looks like the reference."""

import pytest
import torch

from model.presence import look, presence

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


def test_a_look_is_that_of_the_object_though_its_box_holds_background() -> None:
    box = torch.zeros(4, 4)
    box[:3, :3] = 1  # two columns of the object, one of what is beside it
    assert look(halves()[0] * 5, box) == pytest.approx(RED, abs=1e-6)


@pytest.mark.parametrize("marked", [slice(0, 1), slice(0, 4)])
def test_one_marked_cell_and_all_of_them_have_a_look(marked: slice) -> None:
    mask = torch.zeros(4, 4)
    mask[marked, marked] = 1
    assert float(look(halves()[0], mask).norm()) == pytest.approx(1)
