"""The page as Chromium renders it: on a phone, on a desk, in the dark, by keyboard."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.page import make_report
from schemas.job.storage import Storage
from tests.made.outputs.output import make_output
from tests.made.pages.chromium import CHROMIUM, Page, chromium_page
from tests.made.pages.contrast import check_contrast

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")

PHONE, DESK = 390, 1280


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium_page() as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    output, truth = make_output(folder, ("method.sam.weights",))
    path = folder / "report.html"
    path.write_text(make_report(output, truth, Storage()).html)
    return path


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_is_never_wider_than_the_window(browser: Page, report: Path, width: int) -> None:
    browser.open(report, width)
    assert browser.ask("document.documentElement.scrollWidth") == width
    outside = "[...document.images].filter(i => i.getBoundingClientRect().right > innerWidth)"
    assert browser.ask(f"{outside}.length") == 0


def test_every_picture_is_decoded_and_shown_undistorted(browser: Page, report: Path) -> None:
    browser.open(report, PHONE)
    assert browser.ask("document.images.length") > 10
    bad = (
        "[...document.images].filter(i => !i.naturalWidth || i.width < 100 ||"
        " Math.abs(i.width / i.height - i.naturalWidth / i.naturalHeight) > 0.02)"
    )
    assert browser.ask(f"{bad}.length") == 0


def test_only_the_file_itself_is_read_and_nothing_is_complained_of(
    browser: Page, report: Path
) -> None:
    browser.requests.clear()
    browser.open(report, DESK)
    assert browser.requests == [report.as_uri()]  # pictures are data in it: no request of their own
    assert browser.faults == []
    assert browser.ask("document.title").startswith("Labels of")


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_its_ground(browser: Page, report: Path, dark: bool) -> None:
    browser.open(report, PHONE, dark=dark)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    check_contrast(browser, 100)


def test_text_is_large_enough_on_a_phone(browser: Page, report: Path) -> None:
    browser.open(report, PHONE)
    smallest = (
        "Math.min(...[...document.querySelectorAll('p, li, td, th, dt, summary, a')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert browser.ask(smallest) >= 14
    drawn_px = "document.querySelector('svg text').getBoundingClientRect().height"
    assert browser.ask(drawn_px) >= 11


def test_the_first_tab_offers_to_skip_and_enter_does(browser: Page, report: Path) -> None:
    browser.open(report, DESK)
    browser.press("Tab")
    assert browser.ask("document.activeElement.textContent") == "Skip to the labels"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0
    browser.press("Enter")
    assert browser.ask("document.activeElement.id") == "main"


def test_every_control_is_reached_by_tab_and_shows_its_focus(browser: Page, report: Path) -> None:
    browser.open(report, PHONE)
    wanted = browser.ask("document.querySelectorAll('a, summary, .scroll').length")
    hidden = browser.ask("document.querySelectorAll('details:not([open]) .scroll').length")
    reached = set()
    for _ in range(wanted - hidden):
        browser.press("Tab")
        place, ring_px = browser.ask(
            "[[...document.querySelectorAll('*')].indexOf(document.activeElement),"
            " parseFloat(getComputedStyle(document.activeElement).outlineWidth)]"
        )
        assert ring_px >= 2
        reached.add(place)
    assert len(reached) == wanted - hidden


def test_a_closed_table_of_numbers_opens_by_keyboard(browser: Page, report: Path) -> None:
    browser.open(report, DESK)
    browser.ask("document.querySelector('summary').focus()")
    browser.press("Space")
    assert browser.ask("document.querySelector('details').open") is True


def test_landmarks_and_headings_give_the_page_an_order(browser: Page, report: Path) -> None:
    browser.open(report, DESK)
    landmarks = "['header', 'nav', 'main', 'footer'].map(t => document.querySelectorAll(t).length)"
    assert browser.ask(landmarks) == [1, 1, 1, 1]
    levels = browser.ask("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_charts_and_outlines_are_painted(browser: Page, report: Path, tmp_path: Path) -> None:
    browser.open(report, DESK)
    browser.screenshot(tmp_path / "page.png", whole=True)
    pixels_HW3 = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)

    def painted(selector: str, red: int, green: int, blue: int) -> int:
        left, top, right, bottom = browser.ask(
            f"(r => [r.left, r.top + scrollY, r.right, r.bottom + scrollY].map(Math.round))"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        part_HW3 = pixels_HW3[top:bottom, left:right]
        return int((np.abs(part_HW3 - (red, green, blue)).max(axis=2) < 60).sum())

    assert painted("figure:nth-of-type(1) svg", 0x1F, 0x62, 0xC4) > 200  # bars of the histogram
    assert painted("figure:nth-of-type(3) svg", 0x1F, 0x62, 0xC4) > 100  # the curve
    assert painted("img[alt^='Image a/1.']", 0x00, 0xC8, 0xFF) > 100  # a dog's outline
    assert painted(".warning", 0xFF, 0xF1, 0xC2) > 1000
