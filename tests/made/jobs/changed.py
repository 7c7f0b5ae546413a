"""Six photos and one that is none, in units of four; jobs of references to photos by number."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.job.label import LabelJob
from tests.made.networks.methods import METHODS, NANO
from tests.made.pixels.photos import photo

FIRST = (("cat", 0), ("cow", 1), ("dog", 2))
CHANGED = (*FIRST, ("cow", 3), ("emu", 4))
EXACT = {"sam": NANO, **METHODS["matcher"]}
"""Looks for each category apart; others ask for several at once, and kernels round by how many."""

Written = Callable[..., LabelJob]


def collection(folder: Path) -> Written:
    """Write the images; return what makes a job of an output, references and other changes."""
    (folder / "photos").mkdir()
    for number in range(6):
        (folder / "photos" / f"{number}.jpg").write_bytes(photo(number))
        (folder / f"r{number}.jpg").write_bytes(photo(100 + number))
    (folder / "photos" / "6.jpg").write_bytes(b"not an image")

    def job(output: str, shown: Sequence[tuple[str, int]] = FIRST, **changes: Any) -> LabelJob:
        box = {"type": "box", "xyxy": [2, 3, 30, 40]}
        compute = {"images_per_unit": 4, "batch_size": 2, "precision": "fp32"}
        document = {
            "targets": {"type": "images", "uris": str(folder / "photos")},
            "references": [
                {"category": name, "image": str(folder / f"r{number}.jpg"), "annotation": box}
                for name, number in shown
            ],
            "method": EXACT,
            "output": {"uri": str(folder / output)},
            "allow_random_weights": True,
            **changes,
            "compute": {**compute, **changes.get("compute", {})},
        }
        if "earlier" in changes:
            document["earlier"] = str(folder / changes["earlier"])
        return LabelJob.model_validate(document)

    return job
