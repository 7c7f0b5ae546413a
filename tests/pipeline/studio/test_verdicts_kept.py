"""Verdicts on their way from Chromium to storage: none is lost, and none holds up another."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.output.verdicts import REVIEWER, read_verdicts
from pipeline.storage.place import Place
from pipeline.studio.app import PAGE
from schemas.job.storage import Storage
from tests.made.outputs.output import make_output
from tests.made.pages.chromium import CHROMIUM, Page, chromium_page
from tests.made.pages.in_page import on_screen, press, shown, written
from tests.made.pages.studio import Studio, running_studio

in_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium_page() as page:
        yield page


def counted(output: str) -> dict[str, list[str]]:
    """Return the verdicts that count, by reviewer."""
    found: dict[str, list[str]] = {}
    for row in read_verdicts(Place.open(output, Storage()), "f").values():
        found.setdefault(row["reviewer"], []).append(row["verdict"])
    return found


def open_page(browser: Page, studio: Studio) -> None:
    browser.tab.goto(studio.address)
    shown(browser, "#about", "a/")
    on_screen(browser)


def name(browser: Page, reviewer: str) -> None:
    browser.tab.fill("[name=reviewer]", reviewer)
    browser.tab.focus("#stage")


def test_the_page_takes_for_a_name_what_the_server_does() -> None:
    # In a page's patterns, a dash that is itself is written with a backslash.
    pattern = REVIEWER.pattern.replace("_-", r"_\-")
    assert f'pattern="{pattern}"' in (PAGE / "index.html").read_text()


@in_chromium
def test_under_a_name_that_is_none_no_verdict_is_given(browser: Page, tmp_path: Path) -> None:
    output, _ = make_output(tmp_path)
    with running_studio(output, "--reviewer", "ann") as studio:
        open_page(browser, studio)
        name(browser, "Ann Smith")
        shown(browser, "#fault", "no reviewer's name: 1 to 40 letters")
        browser.press("a")
        shown(browser, "#fault", "no reviewer's name")
        shown(browser, "#progress", "1 of 7, 0 said")
        name(browser, "ann.smith")
        press(browser, "a", "2 of 7")
        written(browser)
    assert counted(output) == {"ann.smith": ["accepted"]}


@in_chromium
def test_a_refused_verdict_is_set_aside_and_holds_up_no_other(
    browser: Page, tmp_path: Path
) -> None:
    output, _ = make_output(tmp_path)
    with running_studio(output, "--reviewer", "ann") as studio:
        open_page(browser, studio)
        # What a page kept that did not check names, and a verdict on a label of no commit.
        key = json.dumps(f"verdicts f{output}")
        kept = [
            {"reviewer": reviewer, "verdict": {"image_id": image, "category_id": 18} | said}
            for reviewer, image, said in (
                ("Ann Smith", "a/0", {"verdict": "rejected"}),
                ("ann", "a/1", {"verdict": "accepted"}),
                ("ann", "nowhere", {"verdict": "accepted"}),
                ("ann", "a/2", {"verdict": "accepted"}),
            )
        ]
        browser.ask(f"localStorage.setItem({key}, {json.dumps(json.dumps(kept))})")
        open_page(browser, studio)
        shown(browser, "#progress", "2 refused")
        shown(browser, "#fault", "a verdict on no label")
        written(browser)
        assert counted(output) == {"ann": ["accepted", "accepted"]}
        name(browser, "ann-smith")  # the name was wrong: it is sent under the right one
        shown(browser, "#progress", "1 refused")
        open_page(browser, studio)
        shown(browser, "#progress", "1 refused")  # and not forgotten
    assert counted(output) == {"ann": ["accepted", "accepted"], "ann-smith": ["rejected"]}
