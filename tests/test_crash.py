"""A few of the crash suite's kills, one of each that takes seconds; `make crash` does fifty."""

from pathlib import Path

import pytest

from tests.crash.suite import Settings, run

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(600)
def test_whatever_is_killed_every_image_is_there_once_with_the_bytes_of_a_calm_run(
    tmp_path: Path,
) -> None:
    settings = Settings(
        seed=1, images=120, kills=3, kinds=("actor", "node"), in_order=True, wait_s=(0.1, 1.0)
    )
    tally = run(settings, tmp_path)
    assert set(tally.kills) == {"actor", "node", "driver at its commit"}
    assert tally.images == 120
    assert (tally.duplicates, tally.losses, tally.faults) == (0, 0, [])
    # An actor has one unit with the model, and one that waits for it or is being written.
    assert tally.extra_units <= 2 * tally.kills.total()
