"""Keep a run's references and times beside its labels, for the report.

Copies, because references may lie on a laptop that is gone when somebody asks what a mask of last
year was made from.
"""

import io
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from model.segmenter import Drawn, LoadedReference
from pipeline.masks.runs import encode_rle
from pipeline.output.paths import REFERENCES, RUNS, kept_reference, run_record
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.reference import Annotation, Rle
from schemas.record.receipt import Receipt, StageSeconds
from schemas.record.run import KeptReference, Run

WRITE_THREADS = 16  # PUTs of about 100 kB each: latency, not bandwidth, is what they wait for
KEPT_SIDE_PX = 1024  # SAM's input: a reference had no more detail than this when it was studied


def keep_run(
    output: Place,
    references: Sequence[LoadedReference],
    receipts: Iterable[Receipt],
) -> Iterator[Receipt]:
    """Keep the references, pass the receipts on, and keep their times, of a run cut short too.

    A run with nothing to do leaves nothing. What cut a run short is raised, whatever becomes of
    its times: a full disk takes neither labels nor these.
    """
    begun, start = datetime.now(UTC), time.monotonic()
    cut_short = True
    units = images = rejected = taken = 0
    stages = StageSeconds()
    try:
        for receipt in receipts:
            if not units:
                keep_references(output, references)
            units += 1
            images += receipt.part.images
            rejected += receipt.part.rejected
            taken += receipt.taken
            stages += receipt.seconds
            yield receipt
        cut_short = False
    finally:
        if units:
            run = Run(
                begun=begun.isoformat(timespec="seconds"),
                seconds=time.monotonic() - start,
                units=units,
                images=images,
                rejected=rejected,
                taken=taken,
                stages=stages,
            )
            name = f"{begun:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
            with suppress(BadStorage, OSError) if cut_short else nullcontext():
                output.below(run_record(name)).create(run.model_dump_json(indent=1).encode())


def read_runs(output: Place, most: int) -> list[Run]:
    """Return the last runs, oldest first; a hidden file is what a kill left of one."""
    names = [name for name in output.below(RUNS).files() if not name.startswith(".")][-most:]
    return [Run.model_validate_json(output.below(f"{RUNS}/{name}").read()) for name in names]


def keep_references(output: Place, references: Sequence[LoadedReference]) -> None:
    """Write the references that are not kept yet; ids are of contents, so one write is for good."""
    kept = output.below(REFERENCES).files()
    new = [reference for reference in references if f"{reference.id}.json" not in kept]

    def keep(reference: LoadedReference) -> None:
        about = _describe(reference).model_dump_json().encode()
        output.below(kept_reference(reference.id, "jpg")).create(_jpeg(reference.image_HW3))
        output.below(kept_reference(reference.id, "json")).create(about)

    with ThreadPoolExecutor(WRITE_THREADS) as pool:
        list(pool.map(keep, new))


def read_references(output: Place, most_per_category: int) -> Iterator[tuple[KeptReference, bytes]]:
    """Yield some references of each category with their JPEGs, in the order of their ids."""
    seen: dict[int, int] = {}
    for name in output.below(REFERENCES).files():
        if not name.endswith(".json"):
            continue
        about = output.below(f"{REFERENCES}/{name}").read()
        reference = KeptReference.model_validate_json(about)
        seen[reference.category_id] = seen.get(reference.category_id, 0) + 1
        if seen[reference.category_id] <= most_per_category:
            yield reference, output.below(kept_reference(reference.id, "jpg")).read()


def _describe(reference: LoadedReference) -> KeptReference:
    height, width, _ = reference.image_HW3.shape
    return KeptReference(
        id=reference.id,
        category_id=reference.category_id,
        height=height,
        width=width,
        annotation=_as_written(reference.annotation),
    )


def _as_written(drawn: Drawn) -> Annotation:
    if isinstance(drawn, np.ndarray):
        return Rle.model_validate({"type": "rle", **encode_rle(drawn)})
    return drawn


def _jpeg(image_HW3: np.ndarray) -> bytes:
    image = Image.fromarray(image_HW3)
    image.thumbnail((KEPT_SIDE_PX, KEPT_SIDE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
