"""From a folder of images to a reviewed COCO file, in one browser: the whole path of a user."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from pipeline.export.coco import export_coco
from pipeline.export.selection import Selection
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.write import SceneSet
from schemas.job.storage import Storage
from tests.made.pages.chromium import CHROMIUM, Page, chromium_page
from tests.made.pages.in_page import drag, on_screen, press, shown, wait_for, written
from tests.made.pages.studio import running_studio

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
    pytest.mark.cluster,
    pytest.mark.timeout(900),  # 14 s of a core for a try, 20 for a run: beside others they wait
]

IMAGES = 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium_page() as page:
        yield page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, scene in SceneSet(2031, IMAGES, RESERVED, (192, 256)):
        Image.fromarray(scene.image_HW3).save(folder / f"{name}.jpg", quality=92)
    return folder


def test_a_folder_becomes_a_reviewed_data_set_on_one_page(browser: Page, folder: Path) -> None:
    with running_studio(str(folder), "--reviewer", "ann") as studio:
        browser.requests.clear()
        browser.tab.set_viewport_size({"width": 1280, "height": 900})
        browser.tab.goto(studio.address)
        draw(browser)
        try_out(browser)
        run(browser)
        repaired = review(browser)
        assert {request.split("/")[2] for request in browser.requests} == {
            f"127.0.0.1:{studio.port}"
        }
    assert yaml.safe_load(folder.with_suffix(".yaml").read_text())["references"][0]["category"] == (
        "thing"
    )
    labels, coco = f"{folder}-labels", folder.parent / "reviewed.json"
    export_coco(labels, Storage(), str(coco), Selection(reviewed="corrected"))
    document = json.loads(coco.read_text())
    assert len(document["images"]) == IMAGES
    names = {one["id"]: one["file_name"] for one in document["images"]}
    assert repaired in {names[one["image_id"]] for one in document["annotations"]}


def draw(browser: Page) -> None:
    """Draw a box on the first image."""
    shown(browser, "#where", f"1 to {IMAGES} of {IMAGES} images")
    browser.tab.click("#thumbs button >> nth=0")
    wait_for(browser, "!document.querySelector('#drawing').hidden")
    browser.tab.fill("#mark [name=category]", "thing")
    drag(browser, "#sheet", (0.4, 0.3), (0.6, 0.7))
    browser.tab.click("text=add the reference")


def try_out(browser: Page) -> None:
    """Label all of the few images, and let every mask count."""
    browser.tab.click("[data-part=try]")
    browser.tab.click("#begin")
    shown(browser, "#trying", f"{IMAGES} of {IMAGES} images tried")
    browser.tab.fill("#moved [name=min_presence]", "-1")
    shown(browser, "#trying", f"thing in {IMAGES}")
    browser.tab.click("#keep")
    shown(browser, "#trying", "written into")


def run(browser: Page) -> None:
    """Run the job, close the page in the middle, open it again, and wait for its review."""
    browser.tab.click("[data-part=run]")
    browser.tab.click("#start")
    shown(browser, "#running", "starting")
    browser.tab.reload()
    browser.tab.click("[data-part=run]")
    wait_for(browser, "document.querySelector('#review')?.hidden === false")


def review(browser: Page) -> str:
    """Repair the first label by brush, and accept the others; return the repaired image's name."""
    shown(browser, "#progress", f"1 of {IMAGES}")
    on_screen(browser)
    image = browser.ask("document.querySelector('#about').textContent.split(':')[0]")
    for key in ("e", "Space"):
        browser.press(key)
    press(browser, "s", f"2 of {IMAGES}")
    for place in range(3, IMAGES + 1):
        press(browser, "a", f"{place} of {IMAGES}")
    browser.press("a")
    shown(browser, "#category", "the end of the queue")
    written(browser)
    return str(image)
