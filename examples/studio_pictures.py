"""Label drawn scenes with the small weights, and take the pictures of docs/studio.md.

    python examples/studio_pictures.py [--out out/studio]

Needs Chromium and the development packages. The studio is used as a person would: by keys.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import yaml
from PIL import Image

from pipeline.scenes.categories import RESERVED
from pipeline.scenes.write import SceneSet
from tests.made.pages.chromium import Page, chromium_page
from tests.made.pages.studio import running_studio

ROOT = Path(__file__).parents[1]
IMAGES = 24
LEAST_SHARE = 0.06  # of its image, for an object to be shown as an example


def main() -> None:
    """Draw the scenes, label them, take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out/studio")
    out: Path = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    job = out / "scenes.yaml"
    if not job.exists():
        job.write_text(yaml.safe_dump(job_of(out), sort_keys=False))
    subprocess.run([sys.executable, "-m", "jobs.main", "label", str(job)], check=True, cwd=ROOT)  # noqa: S603
    with running_studio(str(job)) as studio, chromium_page() as page:
        page.tab.set_viewport_size({"width": 1000, "height": 620})
        page.tab.goto(studio.address)
        page.tab.fill("#wanted [name=reviewer]", "ann")
        review(page, ROOT / "docs/studio-review.png")
        draw(page, ROOT / "docs/studio-draw.png")


def job_of(out: Path) -> dict[str, object]:
    """Write the scenes, and return a job with a true mask of each of three categories."""
    references: dict[str, dict[str, object]] = {}
    for name, scene in SceneSet(2031, IMAGES, RESERVED, (384, 512)):
        (out / "scenes").mkdir(exist_ok=True)
        Image.fromarray(scene.image_HW3).save(out / f"scenes/{name}.jpg", quality=92)
        for category, mask_HW in scene.instances:
            if category not in references and mask_HW.mean() >= LEAST_SHARE and len(references) < 3:
                Image.fromarray(mask_HW).save(out / f"{category}.png")
                mask = {"type": "mask", "uri": f"{category}.png"}
                references[category] = {
                    "category": category, "image": f"scenes/{name}.jpg", "annotation": mask,
                }  # fmt: skip
    return {
        "targets": {"type": "images", "uris": "scenes"},
        "references": list(references.values()),
        "method": {"type": "vrp", "weights": "lite-vrp"},
        "output": {"uri": "scenes-labels"},
    }


def review(page: Page, to: Path) -> None:
    """Accept a few labels and begin to repair one."""
    wait_for(page, "document.querySelector('#review').ariaBusy === 'false'")
    page.tab.select_option("#wanted [name=order]", "score")
    page.tab.focus("#stage")
    for key in ("a", "a", "e"):
        wait_for(page, "document.querySelector('#review').ariaBusy === 'false'")
        time.sleep(0.5)
        page.press(key)
    for key in ("ArrowRight", "ArrowRight", "]", "]", "Space"):
        page.press(key)
    time.sleep(0.5)
    take(page, to)
    page.press("Escape")


def draw(page: Page, to: Path) -> None:
    """Draw a box on an image."""
    page.tab.click("[data-part=draw]")
    page.tab.click("#thumbs button >> nth=3")
    wait_for(page, "!document.querySelector('#drawing').hidden")
    page.tab.fill("#mark [name=category]", "umbrella")
    left, top, wide, high = page.ask(
        "(r => [r.x, r.y, r.width, r.height])"
        "(document.querySelector('#sheet').getBoundingClientRect())"
    )
    page.tab.mouse.move(left + 0.27 * wide, top + 0.02 * high)
    page.tab.mouse.down()
    page.tab.mouse.move(left + 0.66 * wide, top + 0.6 * high, steps=4)
    page.tab.mouse.up()
    time.sleep(1)
    take(page, to)


def take(page: Page, to: Path) -> None:
    """Write a small PNG; paths of this machine are left out of it."""
    for place in ("output", "saved"):
        page.ask(f"document.getElementById('{place}').textContent = ''")
    page.screenshot(to)
    Image.open(to).convert("RGB").quantize(96).save(to, optimize=True)


def wait_for(page: Page, condition: str) -> None:
    """Wait until a condition of the page holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not page.ask(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
