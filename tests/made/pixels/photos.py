"""Small photos, and tars of them, as bytes."""

import io
import tarfile

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (60, 44)) -> bytes:
    """A JPEG of a few soft blobs: cheap, and no two alike."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def tar_of(members: dict[str, bytes]) -> bytes:
    """A tar of files by name, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
