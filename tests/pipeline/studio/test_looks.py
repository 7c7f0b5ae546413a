"""Every part of the studio's page, on a phone and on a desk, in the light and in the dark."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.made.jobs.commands import write_job
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.pages.chromium import CHROMIUM, Page, chromium_page
from tests.made.pages.contrast import check_contrast
from tests.made.pages.in_page import on_screen, shown, wait_for
from tests.made.pages.studio import Studio, running_studio

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")

PHONE, DESK = 390, 1280
LONG = "a-name-without-any-place-to-break-it-that-is-far-wider-than-a-phone-" * 3
METHOD = {"type": "vrp", "weights": "lite-vrp", "min_presence": -1}


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium_page() as page:
        yield page


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio on a job with labels: images that are there, one that is gone, a long name."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "photos").mkdir()
    rows = []
    for name in ("0", "1", LONG):
        uri = str(folder / f"photos/{name}.png")
        Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(uri)
        rows += [row(f"{name}.png", CAT, NOTHING, uri=uri)]
        rows += [row(f"{name}.png", DOG, square(4, 4, 9), uri=uri)]
    rows += [row("gone.png", DOG, square(4, 4, 9), score=0.1, uri=str(folder / "gone.png"))]
    Image.new("RGB", (60, 40)).save(folder / "ref.jpg")
    commit_units(str(folder / "out"), [(rows, [])])
    with running_studio(write_job(folder, method=METHOD, allow_random_weights=False)) as running:
        yield running


@pytest.mark.timeout(900)  # a try loads the networks: 14 s of a core, beside others minutes
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_text_stands_out_and_no_part_is_wider_than_the_window(
    browser: Page, studio: Studio, width: int, dark: bool
) -> None:
    browser.tab.set_viewport_size({"width": width, "height": 900})
    browser.tab.emulate_media(color_scheme="dark" if dark else "light")
    browser.tab.goto(studio.address)
    shown(browser, "#progress", "1 of 4")
    shown(browser, "#where", "of 3 images")  # all is there

    def check(least_texts: int) -> None:
        check_contrast(browser, least_texts)
        assert browser.ask("document.documentElement.scrollWidth") == width

    shown(browser, "#instead", "can no longer be read")  # the least certain first
    check(25)
    browser.press("t")
    shown(browser, "#fault", "say first whether")
    check(25)
    browser.press("ArrowRight")
    on_screen(browser)
    browser.press("e")
    check(25)
    browser.press("Escape")
    on_screen(browser)
    browser.press("v")
    wait_for(browser, "document.querySelectorAll('#tiles button').length === 3")
    browser.press("r")
    check(25)

    browser.tab.click("[data-part=draw]")
    browser.tab.click("#thumbs button >> nth=2")
    wait_for(browser, "!document.querySelector('#drawing').hidden")
    browser.tab.select_option("#mark [name=tool]", "mask")
    check(15)
    browser.tab.click("text=add the reference")
    shown(browser, "#fault", "nothing is drawn yet")
    check(15)

    browser.tab.click("[data-part=try]")
    check(10)
    browser.tab.click("#begin")
    shown(browser, "#trying", "3 of 3 images tried")
    check(20)

    browser.tab.click("#compare")
    shown(browser, "#changed", "images compared. cat: 0 improved")
    wait_for(browser, "[...document.querySelectorAll('#pairs img')].every(i => i.naturalWidth)")
    assert browser.ask("document.querySelectorAll('#pairs img').length") == 2 * 2
    check(30)

    browser.tab.click("[data-part=run]")
    check(5)
