"""Turn a job's source into the plan of its shards: what is to be read, cut and named for good."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline.images.formats import NEVER_READ, READ_WITH, image_suffixes, suffix_of, why_not_read
from pipeline.inputs.address import PARQUET_SUFFIX, TAR_SUFFIXES, tar_stem
from pipeline.inputs.coco_images import read_coco_images
from pipeline.inputs.find import HIDDEN, OF_OUTPUT, find_files
from pipeline.inputs.parquet_ids import check_files
from pipeline.inputs.shards import ids_begin_with, list_ids
from pipeline.inputs.tar import READING
from pipeline.storage.place import Place
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.job.source import CocoImages, ImageFiles, ParquetImages, Source, WebDataset
from schemas.job.storage import Storage
from schemas.record.commit import Shard


@dataclass(frozen=True)
class Inputs:
    """What a source names now: its shards, their bytes, and the files passed over by suffix."""

    shards: tuple[Shard, ...]
    size_bytes: int | None  # None where only the reader will know: images that a COCO file lists
    passed_over: Mapping[str, int] = field(default_factory=dict)
    ids_given: bool = False  # by a COCO file, and not by where the images lie

    def describe_passed_over(self) -> list[str]:
        """Return a sentence for each suffix of files that are in no row, images first."""
        rest = {key: count for key, count in self.passed_over.items() if count}
        images = sorted(key for key in rest if key in NEVER_READ or key in READ_WITH)
        lines = [f"{rest.pop(key)} .{key} passed over: {why_not_read(key)}" for key in images]
        if hidden := rest.pop(HIDDEN, 0):
            lines.append(f"{hidden} of hidden names passed over")
        if own := rest.pop(OF_OUTPUT, 0):
            lines.append(f"{own} of outputs of this program passed over")
        if rest:
            most = sorted(rest, key=lambda key: (-rest[key], key))[:8]
            named = ", ".join(
                f"{rest[key]} {f'.{key}' if key else 'without suffix'}" for key in most
            )
            more = f" and {len(rest) - len(most)} suffixes more" if len(rest) > len(most) else ""
            lines.append(f"{named}{more} passed over: no inputs by their suffix")
        return lines


def plan_shards(source: Source, storage: Storage, images_per_unit: int) -> list[Shard]:
    """List the shards of a source as `plan_inputs` does."""
    return list(plan_inputs(source, storage, images_per_unit).shards)


def plan_inputs(source: Source, storage: Storage, images_per_unit: int) -> Inputs:
    """List the shards of a source, in the order of their names.

    Cheap: folders and patterns are listed, not opened; of Parquet files the footers are read, and
    of shards that may share an id their ids. Raises BadStorage, MissingFile for a file that is
    listed and not there, BadInput for inputs that are not what the source says.
    """
    match source:
        case ImageFiles():
            return _plan_images(source, storage, images_per_unit)
        case WebDataset():
            inputs = _plan_files("tar", source.shards, storage, images_per_unit)
            _check_nested(inputs.shards, source, storage)
            return inputs
        case ParquetImages():
            inputs = _plan_files("parquet", source.files, storage, images_per_unit)
            check_files(inputs.shards, source, storage)
            if source.ids_restart:
                _check_nested(inputs.shards, source, storage)
            return inputs
        case CocoImages():
            return _plan_coco(source, storage, images_per_unit)


def _plan_images(source: ImageFiles, storage: Storage, images_per_unit: int) -> Inputs:
    suffixes = image_suffixes()
    shown = ", ".join(f".{suffix}" for suffix in sorted(suffixes))
    found = find_files(source.uris, storage, lambda name: suffix_of(name) in suffixes, shown)
    shards = cut_list([(file.name, file.uri) for file in found.files], found.base, images_per_unit)
    return Inputs(tuple(shards), sum(file.size for file in found.files), found.passed_over)


def cut_list(images: Sequence[tuple[str, str]], prefix: str, images_per_unit: int) -> list[Shard]:
    """Cut a list of (image id, URI) into shards of one unit each; `prefix` is their folder's URI.

    A shard's id comes from its image ids alone, so it survives a change of bucket.
    """
    shards: list[Shard] = []
    for start in range(0, len(images), images_per_unit):
        part = tuple(images[start : start + images_per_unit])
        ids = [image_id for image_id, _ in part]
        shards.append(
            Shard(
                id=_shard_id("images", ids),
                kind="images",
                name=f"{ids[0]}..{ids[-1]}",
                uri=prefix,
                size_bytes=0,
                images=part,
                images_per_unit=images_per_unit,
            )
        )
    return shards


def _plan_files(
    kind: Literal["tar", "parquet"],
    uris: str | Sequence[str],
    storage: Storage,
    images_per_unit: int,
) -> Inputs:
    suffixes = TAR_SUFFIXES if kind == "tar" else (PARQUET_SUFFIX,)
    found = find_files(
        uris, storage, lambda name: name.lower().endswith(suffixes), ", ".join(suffixes)
    )
    # a.tar and a would both give image ids a/…
    stems: dict[str, str] = {}
    for file in found.files:
        other = stems.setdefault(tar_stem(file.name), file.uri)
        if other != file.uri:
            raise BadInput("two shards of one name", file.uri, other, "names that differ")
    shards = [
        Shard(
            id=_shard_id(kind, [file.name, file.size]),
            kind=kind,
            name=file.name,
            uri=file.uri,
            size_bytes=file.size,
            images_per_unit=images_per_unit,
            reading=READING if kind == "tar" else 1,
        )
        for file in found.files
    ]
    return Inputs(tuple(shards), sum(shard.size_bytes for shard in shards), found.passed_over)


def _check_nested(
    shards: Sequence[Shard], source: WebDataset | ParquetImages, storage: Storage
) -> None:
    """Refuse an image id of two shards: a.tar may hold b/1.jpg, and a/b.tar 1.jpg.

    Only ids of shards that lie in a folder of another one's name are read.
    """
    by_start = {ids_begin_with(shard): shard for shard in shards}
    inside: dict[str, set[str]] = {}
    for start in by_start:
        for folder in _folders(start[:-1]):
            if folder in by_start:
                inside.setdefault(folder, set()).add(start)
    for outer, inner in inside.items():
        held: dict[str, set[str]] = {}
        for image_id in list_ids(by_start[outer], source, storage):
            for folder in inner.intersection(_folders(image_id)):
                held.setdefault(folder, set()).add(image_id)
        for start, ids in held.items():
            if both := ids.intersection(list_ids(by_start[start], source, storage)):
                raise BadInput(
                    "two shards that hold one image id",
                    by_start[start].uri,
                    f"{min(both)}, which {by_start[outer].uri} holds too",
                    "another name for one of the two files",
                )


def _folders(path: str) -> Iterator[str]:
    return (path[: at + 1] for at, character in enumerate(path) if character == "/")


def renamed(shard: Shard, name: str) -> Shard:
    """Return a tar or Parquet file under another name, and so with another id."""
    new_id = _shard_id(shard.kind, [name, shard.size_bytes])
    return shard if name == shard.name else shard.model_copy(update={"name": name, "id": new_id})


def _plan_coco(source: CocoImages, storage: Storage, images_per_unit: int) -> Inputs:
    names = read_coco_images(Place.open(source.instances, storage).read(), source.instances)
    folder = Place.open(source.images.rstrip("/"), storage)
    images = [(str(image_id), folder.below(name).uri) for image_id, name in names]
    try:
        folder.below(names[0][1]).size()
    except MissingFile:
        # One file may be gone and becomes a row; a wrong folder is worth a listing to tell.
        present = folder.files().keys()
        if not any(name in present for _, name in names):
            raise BadStorage(
                "a folder without any of the COCO file's images",
                source.images,
                f"{len(present)} files, no {names[0][1]}",
                f"the folder that the file names of {source.instances} start from",
            ) from None
    return Inputs(tuple(cut_list(images, folder.uri, images_per_unit)), None, ids_given=True)


def _shard_id(kind: str, parts: Sequence[str | int]) -> str:
    # JSON, as a plain join could give two lists one text.
    return hashlib.sha256(json.dumps([kind, *parts]).encode()).hexdigest()[:16]
