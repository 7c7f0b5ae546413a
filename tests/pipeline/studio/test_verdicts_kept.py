"""Verdicts on their way from Chromium to storage: none is lost, and none holds up another."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.output.verdicts import REVIEWER, read_verdicts
from pipeline.review.review import Review, Said
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


def waiting(browser: Page, count: int) -> None:
    shown(browser, "#progress", f"{count} on their way to storage")


def counted(output: str) -> dict[str, list[str]]:
    """Return the verdicts that count, by reviewer."""
    found: dict[str, list[str]] = {}
    for row in read_verdicts(Place.open(output, Storage()), "f").values():
        found.setdefault(row["reviewer"], []).append(row["verdict"])
    return {reviewer: sorted(verdicts) for reviewer, verdicts in found.items()}


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


@in_chromium
def test_what_two_tabs_keep_is_sent_by_the_next_one(browser: Page, tmp_path: Path) -> None:
    output, _ = make_output(tmp_path)
    with running_studio(output, "--reviewer", "ann") as studio:
        assert browser.tab.context.browser
        tabs = browser.tab.context.browser.new_context()
        one, other = Page(tabs.new_page()), Page(tabs.new_page())
        open_page(one, studio)
        open_page(other, studio)
        other.tab.select_option("[name=order]", "large")
        shown(other, "#about", "a/5")
        on_screen(other)
        other.tab.focus("#stage")
        studio.kill()
        one.tab.focus("#stage")
        for count in (1, 2):
            one.press("r")
            waiting(one, count)
            on_screen(one)
        other.press("a")
        waiting(other, 1)
        one.tab.close()
        other.tab.close()
        studio.start_again()
        new = Page(tabs.new_page())
        open_page(new, studio)
        written(new)
        kept = "Object.keys(localStorage).filter(key => key.startsWith('verdicts')).length"
        assert new.ask(kept) == 0
        tabs.close()
    assert counted(output) == {"ann": ["accepted", "rejected", "rejected"]}


@in_chromium
def test_a_verdict_that_comes_late_does_not_count_before_what_was_said_meanwhile(
    browser: Page, tmp_path: Path
) -> None:
    output, _ = make_output(tmp_path)
    with running_studio(output, "--reviewer", "ann") as studio:
        open_page(browser, studio)
        studio.kill()
        browser.press("r")  # of the cat of a/0, which is least certain
        waiting(browser, 1)
        browser.tab.goto("about:blank")
        browser.tab.wait_for_timeout(2500)  # longer than requests may differ by
        said = {"image_id": "a/0", "category_id": 3, "verdict": "absent"}
        Review(output, Storage()).say("bob", [Said.model_validate(said)])
        studio.start_again()
        open_page(browser, studio)
        written(browser)
    assert counted(output) == {"bob": ["absent"]}
    assert len(list(Path(output, "reviews").iterdir())) == 2
