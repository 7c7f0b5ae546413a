"""What --require asks for: every figure once, and nothing dropped."""

import pytest

from jobs.terminal.requirement import read_requirements
from schemas.errors import BadInput

NAMES = ("precision", "iou")


def test_each_figure_has_its_least_value() -> None:
    assert read_requirements(("precision=0.9", "iou=0.5"), NAMES) == {"precision": 0.9, "iou": 0.5}
    assert read_requirements((), NAMES) == {}


def test_a_figure_that_is_required_twice_is_refused() -> None:
    with pytest.raises(BadInput, match=r"precision=0\.95 and precision=0\.1"):
        read_requirements(("precision=0.95", "iou=0.5", "precision=0.1"), NAMES)
