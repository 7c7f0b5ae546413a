"""Turn an episode into arrays: images decoded, masks drawn, annotations simulated."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from model.draws import Draws
from model.masks.simulate import simulate_annotation
from model.segmenter import LoadedReference
from pipeline.datasets.folder import foreground
from pipeline.datasets.index import DatasetIndex
from pipeline.episodes.draw import Episode
from pipeline.images.decode import decode_image
from pipeline.storage.place import Place
from schemas.errors import BadInput, ImageRejected
from schemas.job.compute import Limits
from schemas.job.storage import Storage


@dataclass(frozen=True)
class LoadedEpisode:
    """An episode in memory; masks are bool [H, W] of the target, which is uint8 RGB [H, W, 3]."""

    episode: Episode
    references: tuple[LoadedReference, ...]
    target_HW3: np.ndarray
    mask_HW: np.ndarray  # empty for a negative
    target_sha256: str  # of the encoded bytes and the part cut out; SAM's embedding goes by it
    ignore_HW: np.ndarray  # neither object nor background: no loss, no metric


class EpisodeReader:
    """Holds an index and the storage its files lie on, opened. Safe to share between threads."""

    def __init__(self, index: DatasetIndex, storage: Storage) -> None:
        self._index = index
        self._storage = storage
        self._images: list[dict[str, Any]] = index.images.to_pylist()
        self._opened: dict[str, Place] = {}

    def load(self, episode: Episode) -> LoadedEpisode:
        """Read what an episode names, at native size in displayed orientation.

        Raises BadInput for an image that cannot be decoded, BadStorage for a file that is gone.
        """
        references = []
        for place, reference in enumerate(episode.references):
            key = (episode.seed, episode.epoch, episode.number, place)
            image = int(self._index.image_of_object[reference.object])
            mask_HW, _ = self.masks(image, reference.object)
            references.append(
                LoadedReference(
                    id=f"{self._images[image]['image_id']}#{episode.category_id}",
                    category_id=episode.category_id,
                    image_HW3=self._decode(image, self.read_image(image)),
                    annotation=simulate_annotation(
                        mask_HW, reference.form, Draws("annotation", *key)
                    ),
                    of_strokes=reference.form == "scribbles",
                )
            )
        mask_HW, ignore_HW = self.masks(episode.target_image, episode.target_object)
        target = self.read_image(episode.target_image)
        return LoadedEpisode(
            episode=episode,
            references=tuple(references),
            target_HW3=self._decode(episode.target_image, target),
            mask_HW=mask_HW,
            target_sha256=hashlib.sha256(target + self._crop(episode.target_image)).hexdigest(),
            ignore_HW=ignore_HW,
        )

    def read_image(self, image: int) -> bytes:
        """Return the encoded bytes of an image's row."""
        row = self._images[image]
        return self._read(row["image_uri"], row["range_start"], row["range_end"])

    def _decode(self, image: int, data: bytes) -> np.ndarray:
        row = self._images[image]
        try:
            pixels_HW3 = decode_image(data, Limits()).pixels_HW3
            if row["crop_xyxy"] is not None:
                left, top, right, bottom = row["crop_xyxy"]
                pixels_HW3 = np.ascontiguousarray(pixels_HW3[top:bottom, left:right])
        except ImageRejected as rejected:
            raise BadInput(
                "an image of the dataset cannot be decoded",
                row["image_uri"],
                str(rejected),
                "a readable image; mend or remove it and build the index anew",
            ) from rejected
        # An index from before it kept hashes, and one of labels, has none.
        digest = row["image_sha256"] and hashlib.sha256(data).hexdigest()
        if pixels_HW3.shape[:2] != (row["height"], row["width"]) or digest != row["image_sha256"]:
            known = row["image_sha256"] and f", sha256 {row['image_sha256']}"
            raise BadInput(
                "an image of the dataset has changed since it was indexed",
                row["image_uri"],
                f"{pixels_HW3.shape[1]} x {pixels_HW3.shape[0]}, other bytes",
                f"{row['width']} x {row['height']}{known or ''}; delete the index to build it anew",
            )
        return pixels_HW3

    def _crop(self, image: int) -> bytes:
        """Return what tells a part of a photo from the whole and from its other parts."""
        crop = self._images[image]["crop_xyxy"]
        return b"" if crop is None else f" {crop}".encode()

    def masks(self, image: int, shown: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the object's mask, empty without one, and the ignored pixels."""
        size_HW = self._images[image]["height"], self._images[image]["width"]
        if shown is None:
            return np.zeros(size_HW, bool), self._ignored_anywhere(image, size_HW)
        row = self._row(shown)
        if row["mask_rle"] is not None:
            mask_HW = _decode_rle(row["mask_rle"], size_HW)
            ignored = row["ignore_rle"]
            ignore_HW = (
                np.zeros(size_HW, bool) if ignored is None else _decode_rle(ignored, size_HW)
            )
            return mask_HW, ignore_HW & ~mask_HW
        with Image.open(io.BytesIO(self._read(row["mask_uri"]))) as png:
            if row["mask_value"] is None:
                return foreground(png), np.zeros(size_HW, bool)
            values_HW = np.asarray(png)
        return values_HW == row["mask_value"], _equal(values_HW, row["ignore_value"])

    def _ignored_anywhere(self, image: int, size_HW: tuple[int, int]) -> np.ndarray:
        """Return the pixels ignored for every category: VOC's 255, seen by any object's row."""
        for shown in self._index.objects_of(image):
            row = self._row(shown)
            if row["ignore_value"] is not None:
                with Image.open(io.BytesIO(self._read(row["mask_uri"]))) as png:
                    return _equal(np.asarray(png), row["ignore_value"])
        return np.zeros(size_HW, bool)

    def _row(self, shown: int) -> dict[str, Any]:
        return self._index.objects.slice(shown, 1).to_pylist()[0]

    def _read(self, uri: str, start: int | None = None, end: int | None = None) -> bytes:
        scheme = uri.partition("://")[0] if "://" in uri else ""
        if scheme not in self._opened:
            self._opened[scheme] = Place.open(uri, self._storage)
        place = self._opened[scheme].at(uri)
        return place.read(start=start, end=end)


def _decode_rle(counts: str, size_HW: tuple[int, int]) -> np.ndarray:
    rle: Any = {"size": list(size_HW), "counts": counts.encode("ascii")}
    return np.ascontiguousarray(coco_mask.decode(rle)).view(bool)


def _equal(values_HW: np.ndarray, value: int | None) -> np.ndarray:
    return np.zeros(values_HW.shape, bool) if value is None else values_HW == value
