"""A small finished output with everything a report shows, for tests that read the page."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from model.segmenter import LoadedReference
from pipeline.output.plan import extend_plan
from pipeline.output.provenance import keep_run
from pipeline.storage.place import Place
from schemas.job.reference import Box, Points, Scribbles
from schemas.job.storage import Storage
from schemas.record.commit import Shard
from schemas.record.receipt import Receipt, StageSeconds
from tests.made.outputs.committed import commit_units, rejected_row
from tests.made.outputs.labels import CAT, DOG, NOTHING, instances, row, square

IMAGES = 6
HOSTILE = "<script>document.title = 'hacked'</script><img src=x onerror=alert(1)>"


def make_output(folder: Path, random_weights: tuple[str, ...] = ()) -> tuple[str, str]:
    """Label six images of a shard, one of them lost, and reject one; return output and truth.

    Image n shows a dog at (4, 4) of side 10 + n; its label's mask is 1 pixel to the right. No image
    shows a cat; image 0 has a false one.
    """
    shard = folder / "a.tar"
    with tarfile.open(shard, "w") as tar:
        for number in range(IMAGES):
            member = tarfile.TarInfo(f"{number}.png")
            data = _photo(number)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    labels = []
    for number in range(IMAGES):
        image_id, uri = f"a/{number}", f"{shard}#{number}.png"
        if number == IMAGES - 1:
            uri = f"{folder}/gone.png"
        labels += [
            row(image_id, CAT, square(0, 0, 12) if number == 0 else NOTHING, score=0.3, uri=uri),
            row(image_id, DOG, square(5, 4, 10 + number), score=0.5 + number / 20, uri=uri),
        ]
    output = folder / "labels"
    lost = rejected_row("a/bad") | {"message": f"no known image format {HOSTILE}"}
    fields = {"method.type": "vrp", "thresholds.min_score": "0.5"}
    units = [(labels, [lost])]
    commit = commit_units(str(output), units, random_weights=random_weights, fields=fields)
    seconds = StageSeconds(decode=1, segment=22, encode=3, write=0.5)
    part = commit.parts[0]
    planned = Shard(
        id="1", kind="tar", name="a", uri=str(shard), size_bytes=9000, images_per_unit=256
    )
    extend_plan(Place.open(str(output), Storage()), [planned])
    _keep(output, Receipt(shard_id="1", number=0, last=True, part=part, seconds=seconds))
    shown = {f"{n}.png": {"dog": [square(4, 4, 10 + n)]} for n in range(IMAGES)}
    return str(output), instances(folder / "truth.json", shown)


def _photo(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(90, 160, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _keep(output: Path, receipt: Receipt) -> None:
    image_HW3 = np.full((40, 40, 3), 120, np.uint8)
    drawn = (
        square(8, 8, 20),
        Box(type="box", xyxy=(8, 8, 28, 28)),
        Points(type="points", points=((10.5, 12.5), (20.5, 22.5))),
        Scribbles(type="scribbles", strokes=(((8, 8), (28, 28)),), width_px=2),
    )
    references = [
        LoadedReference(f"{number:012x}", DOG.id, image_HW3, annotation)
        for number, annotation in enumerate(drawn)
    ]
    list(keep_run(Place.open(str(output), Storage()), references, [receipt]))
