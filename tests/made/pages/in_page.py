"""What a person waits for on the studio's page, and does there."""

import time

from playwright.sync_api import Error

from tests.made.pages.chromium import Page


def wait_for(browser: Page, condition: str, seconds: float = 240) -> None:
    # Asked again and again: the page's policy forbids it to evaluate text itself. For minutes: a
    # studio begins by importing torch, which takes 7 s of a core that tests may share with others.
    deadline = time.monotonic() + seconds
    while not _holds(browser, condition):
        said = "document.querySelector('main:not([hidden])').innerText"
        assert time.monotonic() < deadline, f"{condition}; {browser.ask(said)}; {browser.faults}"
        time.sleep(0.02)


def _holds(browser: Page, condition: str) -> bool:
    """Ask the page; one that is just going elsewhere cannot say, and is asked again."""
    try:
        return bool(browser.ask(condition))
    except Error as fault:
        if "Execution context was destroyed" not in str(fault):
            raise
        return False


def shown(browser: Page, selector: str, text: str) -> None:
    """Wait until an element says something."""
    wait_for(browser, f"document.querySelector({selector!r}).textContent.includes({text!r})")


def press(browser: Page, key: str, then: str) -> None:
    """Press a key on the label that is on screen, and wait for the one it leads to."""
    browser.press(key)
    shown(browser, "#progress", then)
    on_screen(browser)


def on_screen(browser: Page) -> None:
    """Wait until a label is: its image and mask, or the end of the queue."""
    wait_for(browser, "document.querySelector('#review').ariaBusy === 'false'")


def written(browser: Page) -> None:
    wait_for(browser, "!document.querySelector('#progress').textContent.includes('on their way')")


def drag(
    browser: Page, selector: str, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """Drag over an element, from and to shares of its width and height."""
    left, top, wide, high = browser.ask(
        f"(r => [r.x, r.y, r.width, r.height])"
        f"(document.querySelector({selector!r}).getBoundingClientRect())"
    )
    browser.tab.mouse.move(left + start[0] * wide, top + start[1] * high)
    browser.tab.mouse.down()
    browser.tab.mouse.move(left + end[0] * wide, top + end[1] * high, steps=4)
    browser.tab.mouse.up()
