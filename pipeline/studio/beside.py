"""What a job refers to and no file holds yet becomes a file beside it: drawn masks, images."""

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.inputs.address import split_uri
from pipeline.inputs.read_again import read_again
from pipeline.storage.place import Place
from pipeline.studio.job_text import short_uri
from schemas.errors import BadInput
from schemas.job.source import Source
from schemas.job.storage import Storage


@dataclass(frozen=True)
class Beside:
    """The folder of a job file's references: `<job>-references`."""

    job: Path

    def mask(self, category: str, mask_HW: np.ndarray) -> str:
        """Write a mask as a PNG named after what is in it; return its path from the job file."""
        buffer = io.BytesIO()
        Image.fromarray(mask_HW.astype(np.uint8) * np.uint8(255)).save(buffer, "PNG")
        return self._write(category, buffer.getvalue(), ".png")

    def image(self, uri: str, storage: Storage, source: Source) -> str:
        """Return an image as the job file names it; one inside a shard is copied beside it first.

        Raises BadInput for an image that is gone.
        """
        archive, member = split_uri(uri, in_archive=source.type == "webdataset")
        if not member:
            return short_uri(uri, self.job)
        ((_, read),) = read_again([uri], storage, source)
        if isinstance(read, str):
            raise BadInput("an image that cannot be a reference", uri, read, "one that is there")
        # A member's own name; of a Parquet file's row, which has none, the file's and its number.
        inside = member if source.type != "parquet" else f"{PurePosixPath(archive).stem}-{member}"
        name = PurePosixPath(inside)
        return self._write(name.stem, read, name.suffix.lower() or _suffix(read))

    def _write(self, named: str, data: bytes, suffix: str) -> str:
        readable = re.sub(r"[^a-z0-9]+", "-", named.lower()).strip("-")[:30] or "reference"
        digest = hashlib.sha256(data).hexdigest()[:8]
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
        name = f"{self.job.stem}-references/{readable}-{digest}{suffix}"
        Place.open(str(self.job.parent / name), Storage()).create(data)
        return name


def _suffix(data: bytes) -> str:
    """Return what a file of these bytes is called, as far as its name alone would tell a person."""
    try:
        return f".{Image.open(io.BytesIO(data)).format}".lower()
    except UnidentifiedImageError:  # a format of an extra: the job reads bytes, not names
        return ""
