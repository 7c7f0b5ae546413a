"""A reviewer at work in Chromium: by keyboard alone, over a reload and a server that is killed."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.export.coco import export_coco
from pipeline.export.selection import Selection
from pipeline.output.verdicts import read_verdicts
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from tests.made.jobs.commands import photo_folder, write_job
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.outputs.output import HOSTILE, make_output
from tests.made.pages.chromium import CHROMIUM, Page, chromium_page
from tests.made.pages.in_page import on_screen, press, shown, wait_for, written
from tests.made.pages.studio import running_studio

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")

PHONE, DESK = 390, 1280


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium_page() as page:
        yield page


def tiles_shown(browser: Page, count: int) -> None:
    """Wait until as many labels are there at once, each with its picture or why there is none."""
    wait_for(browser, f"document.querySelectorAll('#tiles button').length === {count}")
    images = "[...document.querySelectorAll('#tiles img')]"
    wait_for(browser, f"{images}.every(one => one.complete && one.naturalWidth)")


def exported_dog(output: str, to: Path, image: str) -> np.ndarray:
    """Return the mask of an image's dog as the COCO export of what was reviewed holds it."""
    export_coco(output, Storage(), str(to), Selection(reviewed="all"))
    document = json.loads(to.read_text())
    (number,) = [one["id"] for one in document["images"] if one["file_name"].startswith(image)]
    (found,) = [
        one["segmentation"]
        for one in document["annotations"]
        if (one["image_id"], one["category_id"]) == (number, DOG.id)
    ]
    return coco_mask.decode(found).astype(bool)


def test_a_queue_is_reviewed_and_repaired_by_keyboard_and_a_killed_server_loses_nothing(
    browser: Page, tmp_path: Path
) -> None:
    output, _ = make_output(tmp_path)
    with running_studio(output, "--reviewer", "ann") as studio:
        browser.tab.set_viewport_size({"width": DESK, "height": 800})
        browser.requests.clear()
        browser.tab.goto(studio.address)
        shown(browser, "#about", "a/0")
        on_screen(browser)
        assert browser.ask("location.search") == ""  # the token is not left in the address
        press(browser, "n", "2 of 7")  # the false cat
        press(browser, "a", "3 of 7")
        press(browser, "r", "4 of 7")
        press(browser, "u", "3 of 7")
        shown(browser, "#said", "no verdict yet")
        press(browser, "a", "4 of 7")
        written(browser)
        studio.kill()
        browser.press("r")
        shown(browser, "#progress", "1 on their way to storage")
        shown(browser, "#fault", "does not answer")
        studio.start_again()
        browser.tab.goto(studio.address)  # and a reload, in the middle of it
        shown(browser, "#progress", "1 of ")
        written(browser)
        on_screen(browser)
        # Four pixels are painted with the brush, at the middle and five steps to its right.
        image = browser.ask("document.querySelector('#about').textContent.split(':')[0]")
        for key in ("e", "Space", *["ArrowRight"] * 5, "Space"):
            browser.press(key)
        press(browser, "s", "2 of ")
        written(browser)
        assert {request.split("/")[2] for request in browser.requests} == {
            f"127.0.0.1:{studio.port}"
        }
    wanted = square(5, 4, 10 + int(image[-1])) | square(19, 19, 2) | square(24, 19, 2)
    assert np.array_equal(exported_dog(output, tmp_path / "coco.json", image), wanted)
    newest = read_verdicts(Place.open(output, Storage()), "f")
    assert sorted(row["verdict"] for row in newest.values()) == [
        "absent", "accepted", "accepted", "corrected", "rejected",
    ]  # fmt: skip
    assert {row["reviewer"] for row in newest.values()} == {"ann"}
    assert all(row["seconds"] > 0 for row in newest.values())


def test_a_page_of_labels_is_passed_at_once_but_for_those_marked_and_taken_back_whole(
    browser: Page, tmp_path: Path
) -> None:
    output, _ = make_output(tmp_path)
    with running_studio(output) as studio:
        browser.tab.goto("about:blank")
        browser.tab.set_viewport_size({"width": DESK, "height": 800})
        browser.tab.goto(studio.address)
        shown(browser, "#progress", "1 of 7")
        browser.tab.select_option("#wanted [name=category]", "dog")
        shown(browser, "#progress", "1 of 6")
        on_screen(browser)
        browser.press("v")
        tiles_shown(browser, 6)
        for key in ("r", "ArrowRight", "n", "Enter"):
            browser.press(key)
        # The image of a/5 is gone: nobody has seen its mask.
        shown(browser, "#progress", "5 said")
        shown(browser, "#unseen", "1 of the page before without a picture")
        written(browser)
        browser.press("u")
        tiles_shown(browser, 6)
        shown(browser, "#progress", "0 said")
        for key in ("r", *["ArrowRight"] * 5, "n", "Enter"):
            browser.press(key)
        shown(browser, "#progress", "6 said")  # but a verdict by hand is one
        written(browser)
    newest = read_verdicts(Place.open(output, Storage()), "f")
    counted = [row["verdict"] for key, row in sorted(newest.items())]
    assert counted == ["rejected", *["accepted"] * 4, "absent"]


def test_a_name_with_markup_is_shown_as_text_and_the_page_fits_a_phone(
    browser: Page, tmp_path: Path
) -> None:
    rows = [row(HOSTILE, CAT, NOTHING), row(HOSTILE, DOG, square(4, 4, 20))]
    commit_units(str(tmp_path), [(rows, [])])
    with running_studio(str(tmp_path)) as studio:
        browser.tab.goto("about:blank")  # the page before may still ask for its killed server
        browser.faults.clear()
        browser.tab.set_viewport_size({"width": PHONE, "height": 800})
        browser.tab.goto(studio.address)
        shown(browser, "#about", "<script>")
        assert browser.ask("document.title") == "vrp studio"
        assert browser.ask("document.querySelectorAll('#about *').length") == 0
        assert browser.ask("document.documentElement.scrollWidth") == PHONE
        shown(browser, "#instead", "can no longer be read")
        assert [fault for fault in browser.faults if "404" not in fault] == []


def test_a_reference_is_drawn_with_the_pointer_and_saved(browser: Page, tmp_path: Path) -> None:
    folder = photo_folder(tmp_path)
    with running_studio(str(folder / "photos")) as studio:
        browser.tab.set_viewport_size({"width": DESK, "height": 900})
        browser.tab.goto(studio.address)
        shown(browser, "#where", "1 to 2 of 2 images")
        browser.tab.click("#thumbs button >> nth=1")
        wait_for(browser, "!document.querySelector('#drawing').hidden")
        browser.tab.fill("#mark [name=category]", "cat")
        left, top, wide, high = browser.ask(
            "(r => [r.x, r.y, r.width, r.height])"
            "(document.querySelector('#sheet').getBoundingClientRect())"
        )
        middle_xy = left + wide / 2, top + high / 2
        for tool in ("box", "mask"):
            browser.tab.select_option("#mark [name=tool]", tool)
            browser.tab.mouse.move(*middle_xy)
            browser.tab.mouse.down()
            browser.tab.mouse.move(middle_xy[0] + 90, middle_xy[1] + 70, steps=4)
            browser.tab.mouse.up()
            browser.tab.click("text=add the reference")
        browser.tab.click("#save")
        shown(browser, "#saved", "saved; next")
    document = yaml.safe_load((folder / "photos.yaml").read_text())
    box, mask = (one["annotation"] for one in document["references"])
    image = Image.open(folder / "photos/1.jpg")
    assert np.allclose(box["xyxy"][:2], [image.width / 2, image.height / 2], atol=0.2)
    assert np.asarray(Image.open(folder / mask["uri"])).any()


def test_a_job_is_tried_and_a_moved_threshold_is_seen_and_written(
    browser: Page, tmp_path: Path
) -> None:
    method = {"type": "vrp", "weights": "lite-vrp", "min_presence": -1}
    job = Path(write_job(photo_folder(tmp_path), method=method, allow_random_weights=False))
    with running_studio(str(job)) as studio:
        browser.tab.set_viewport_size({"width": DESK, "height": 900})
        browser.tab.goto(studio.address)
        shown(browser, "#where", "1 to 2 of 2 images")
        browser.tab.click("[data-part=try]")
        browser.tab.click("#begin")
        shown(browser, "#trying", "2 of 2 images tried: cat in 2")
        wait_for(browser, "[...document.querySelectorAll('#tried img')].every(i => i.naturalWidth)")
        shown(browser, "#here", "some 2 images take")
        browser.tab.fill("#moved [name=min_area_px]", "9999")  # of 2640
        shown(browser, "#trying", "cat in 0")
        browser.tab.fill("#estimate [name=pace]", "100")
        shown(browser, "#there", "they take 1 s")
        browser.tab.click("#keep")
        shown(browser, "#trying", "written into")
        browser.tab.click("#tried button >> nth=1")
        shown(browser, "#where", "of 2 images")
        wait_for(browser, "document.querySelector('#sheet').ariaLabel === 'image 1.jpg'")
    assert yaml.safe_load(job.read_text())["thresholds"] == {"min_area_px": 9999}
