"""A photo of 12 megapixels becomes SAM's input, against Pillow's open and resize.

python -m benchmarks.model.decode [--json]
"""

import io

import numpy as np
import torch
from PIL import Image

from benchmarks.parts.figure import faster, in_turns, one_thread, tell
from model.networks.pixels import squash
from pipeline.images.decode import decode_image
from schemas.job.compute import Limits

REPEATS = 5


def large_photo() -> bytes:
    """Return a JPEG of 4000 x 3000."""
    coarse = np.random.default_rng(0).integers(0, 256, (75, 100, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(coarse).resize((4000, 3000), Image.Resampling.BICUBIC)
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


if __name__ == "__main__":
    one_thread()
    data = large_photo()
    pairs = in_turns(
        lambda: squash(decode_image(data, Limits()).pixels_HW3, 1024, torch.device("cpu")),
        lambda: np.asarray(
            Image.open(io.BytesIO(data))
            .convert("RGB")
            .resize((1024, 1024), Image.Resampling.BILINEAR)
        ),
        REPEATS,
    )
    about = "a 12-megapixel JPEG to 1024 x 1024, against Pillow, one thread; no network"
    tell(faster("decode", pairs, 3, about), __doc__)
