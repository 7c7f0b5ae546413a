"""Say what a dataset's files are now, so that an index notices that they changed.

A photo is known by its length; whoever reads one compares its hash.

A file is known by its size and its tag (S3's ETag, else the time of its last change), and where
only a time is known by its contents too: the same bytes written again are the same annotations. A
folder of masks is known by the names, sizes and tags of all of them.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from pipeline.datasets.pascal_part import ANNOTATIONS, LISTS
from pipeline.output.paths import COMMIT
from pipeline.storage.errors import translated
from pipeline.storage.place import Place
from schemas.errors import BadInput, MissingFile
from schemas.job.dataset import (
    AnnotationFile,
    CocoDataset,
    CommitDataset,
    Dataset,
    DavisDataset,
    FolderDataset,
    LvisDataset,
    PacoDataset,
    PascalPartDataset,
    VocDataset,
)
from schemas.job.storage import Storage

MASKS = (".png", ".PNG", ".json")


def describe_annotations(dataset: Dataset, storage: Storage) -> tuple[AnnotationFile, ...]:
    """Return the files and folders that hold a dataset's annotations, as they are now."""
    return tuple(
        AnnotationFile(
            uri=place.uri,
            stamp=stamp,
            sha256=None if folder or "tag " in stamp else hashlib.sha256(place.read()).hexdigest(),
        )
        for place, folder in _places(dataset, storage)
        if (stamp := _stamp(place, folder=folder)) is not None
    )


def check_annotations(
    known: tuple[AnnotationFile, ...], dataset: Dataset, storage: Storage, index_uri: str
) -> None:
    """Raise BadInput if annotations are others than an index was made of.

    Those that are gone are not compared: an index may outlive them, and be read on another node.
    """
    before = {file.uri: file for file in known}
    for place, folder in _places(dataset, storage):
        file, stamp = before.get(place.uri), _stamp(place, folder=folder)
        if file is None or stamp in (None, file.stamp):
            continue
        if file.sha256 and hashlib.sha256(place.read()).hexdigest() == file.sha256:
            continue
        raise BadInput(
            "the annotations are not those that the index was made of",
            place.uri,
            stamp or "",
            f"{file.stamp}, as the index {index_uri} remembers; "
            "delete that folder to have it built anew, or name another index",
        )


def check_photos(images: pa.Table, storage: Storage, index_uri: str) -> None:
    """Raise BadInput if a photo is longer or shorter than when it was indexed.

    One LIST of the folder above them all; those that are gone are not compared, nor members of
    tars, nor those of an index from before it kept lengths.
    """
    lengths = zip(*(images[name].to_pylist() for name in ("image_uri", "image_bytes")), strict=True)
    known = {uri: length for uri, length in lengths if length is not None}
    if not known:
        return
    # Of URIs, whose :// a common path would lose.
    folder = os.path.commonprefix(list(known)).rpartition("/")[0]  # noqa: RUF071
    for name, length in Place.open(folder, storage).files().items():
        uri = f"{folder}/{name}"
        if known.get(uri, length) != length:
            raise BadInput(
                "a photo is not the one that was indexed",
                uri,
                f"{length} bytes",
                f"{known[uri]} bytes, as the index {index_uri} remembers; "
                "delete that folder to have it built anew, or name another index",
            )


def _places(dataset: Dataset, storage: Storage) -> Iterator[tuple[Place, bool]]:
    """Yield each place that holds annotations, and whether it is a folder."""
    match dataset:
        case CocoDataset() | LvisDataset() | PacoDataset():
            yield Place.open(dataset.instances, storage), False
        case VocDataset():
            root = Place.open(dataset.root, storage)
            yield root.below(dataset.split), False
            yield root.below(dataset.masks), True
        case FolderDataset():
            yield Place.open(dataset.masks or dataset.root, storage), True
            for file in filter(None, (dataset.classes, dataset.unmarked)):
                yield Place.open(file, storage), False
        case PascalPartDataset():
            root = Place.open(dataset.root, storage)
            yield root.below(LISTS), False
            yield root.below(ANNOTATIONS), True
        case DavisDataset():
            root = Place.open(dataset.root, storage)
            yield root.below(f"ImageSets/{dataset.year}/{dataset.split}.txt"), False
            yield root.below("Annotations"), True
        case CommitDataset():
            yield Place.open(dataset.output, storage).below(COMMIT), False


def _stamp(place: Place, *, folder: bool) -> str | None:
    """Return what changes when a file or a file of a folder does; None where nothing is."""
    place.fs.invalidate_cache()
    if not folder:
        try:
            with translated(place.fs, place.path, "read"):
                info = place.fs.info(place.path)
        except (FileNotFoundError, MissingFile):
            return None
        return f"{info['size']} bytes, {_tag(info)}"
    tags = _tags(place)
    digest = hashlib.sha256(repr(sorted(tags.items())).encode()).hexdigest()[:16]
    return f"{len(tags)} files, listing {digest}" if tags else None


def _tags(folder: Place) -> dict[str, str]:
    # Photos may lie in the same folder, and may go: the index holds what it needs of them.
    sizes = {name: size for name, size in folder.files().items() if name.endswith(MASKS)}
    if isinstance(folder.fs, LocalFileSystem):
        times = {name: os.stat(f"{folder.path}/{name}").st_mtime_ns for name in sizes}
        return {name: f"{size} {times[name]}" for name, size in sizes.items()}
    with translated(folder.fs, folder.path, "listed"):
        entries = cast(dict[str, Any], folder.fs.find(folder.path, detail=True))
    return {
        name: f"{entry['size']} {_tag(entry)}"
        for name, entry in entries.items()
        if name.endswith(MASKS)
    }


def _tag(info: Mapping[str, Any]) -> str:
    if tag := info.get("ETag"):
        return f"tag {tag}"
    return f"changed {info.get('mtime') or info.get('LastModified')}"
