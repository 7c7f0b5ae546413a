"""Open a page in the system's headless Chromium and ask what is rendered, by playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page as Tab
from playwright.sync_api import sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


class Page:
    """A tab; `requests` are the URLs it asked for, `faults` what it wrote to its console."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.faults: list[str] = []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("console", lambda message: self.faults.append(message.text))
        tab.on("pageerror", lambda error: self.faults.append(str(error)))

    def open(self, path: Path, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Load a file at a width in CSS pixels; wait until loaded."""
        self.tab.set_viewport_size({"width": width, "height": height})
        self.tab.emulate_media(color_scheme="dark" if dark else "light")
        self.tab.goto(path.as_uri())

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited if it is a promise."""
        return self.tab.evaluate(expression)

    def press(self, key: str) -> None:
        """Press and release a key."""
        self.tab.keyboard.press(key)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        self.tab.screenshot(path=path, full_page=whole)


@contextmanager
def chromium_page() -> Iterator[Page]:
    """Start a browser with a fresh profile; end it afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield Page(browser.new_page())
        finally:
            browser.close()
