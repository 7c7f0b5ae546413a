"""An image that was labelled before is decoded whatever it costs, and another in its place told."""

import pytest

from pipeline.images.labelled import decode_labelled, limits_of_label
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from tests.made.pixels.photos import photo

SMALL = Limits(max_pixels=1, max_bytes=10**6)


def test_what_a_job_allowed_once_is_decoded_whatever_the_limits_are_here() -> None:
    assert decode_labelled(photo(0), (44, 60), SMALL).shape == (44, 60, 3)
    large = limits_of_label((10_000, 30_000), Limits())
    assert (large.max_pixels, large.max_bytes) == (300_000_000, 4_800_000_000)
    assert limits_of_label((44, 60), SMALL).max_bytes == 10**6


@pytest.mark.parametrize(
    ("size_HW", "got"), [((60, 44), "60 x 44 pixels"), ((80, 80), "60 x 44"), ((8, 8), "a larger")]
)
def test_an_image_of_another_size_is_told(size_HW: tuple[int, int], got: str) -> None:
    with pytest.raises(ImageRejected, match=f"another image than was labelled: {got}"):
        decode_labelled(photo(0), size_HW, SMALL)


def test_a_damaged_image_is_told_as_one() -> None:
    with pytest.raises(ImageRejected) as told:
        decode_labelled(photo(0)[:100], (44, 60), Limits())
    assert told.value.reason == "decode"
