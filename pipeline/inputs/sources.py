"""Turn a job's source into the plan of its shards: what is to be read, cut and named for good."""

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

from pipeline.inputs.coco_images import read_coco_images
from pipeline.inputs.find import find_files
from pipeline.inputs.formats import image_suffixes
from pipeline.inputs.parquet import check_columns, read_schema
from pipeline.storage.errors import uri_of
from pipeline.storage.files import file_size, list_files, open_filesystem, path_of, read_bytes
from pipeline.storage.stored_file import open_file
from schemas.commit import Shard
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.source import CocoImages, ImageFiles, ParquetImages, Source, WebDataset
from schemas.storage import Storage

_TAR = frozenset({"tar"})
_PARQUET = frozenset({"parquet"})


def plan_shards(source: Source, storage: Storage, images_per_unit: int) -> list[Shard]:
    """List the shards of a source, in the order of their names.

    Cheap: folders and patterns are listed, not opened; of Parquet files the first one's schema is
    read. Raises BadStorage, MissingFile for a file that is listed and not there, BadInput for
    inputs that are not what the source says.
    """
    match source:
        case ImageFiles():
            found = find_files(source.uris, storage, image_suffixes())
            images = [(file.name, file.uri) for file in found.files]
            return cut_list(images, found.base, images_per_unit)
        case WebDataset():
            return _plan_files("tar", source.shards, storage, images_per_unit)
        case ParquetImages():
            shards = _plan_files("parquet", source.files, storage, images_per_unit)
            _check_parquet(shards[0], source, storage)
            return shards
        case CocoImages():
            return _plan_coco(source, storage, images_per_unit)


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
) -> list[Shard]:
    found = find_files(uris, storage, _TAR if kind == "tar" else _PARQUET)
    # a.tar and a would both give image ids a/…
    stems: dict[str, str] = {}
    for file in found.files:
        other = stems.setdefault(file.name.removesuffix(".tar"), file.uri)
        if other != file.uri:
            raise BadInput("two shards of one name", file.uri, other, "names that differ")
    return [
        Shard(
            id=_shard_id(kind, [file.name, file.size]),
            kind=kind,
            name=file.name,
            uri=file.uri,
            size_bytes=file.size,
            images_per_unit=images_per_unit,
        )
        for file in found.files
    ]


def _check_parquet(shard: Shard, source: ParquetImages, storage: Storage) -> None:
    fs, path = open_filesystem(shard.uri, storage)
    with open_file(fs, path, shard.size_bytes) as file:
        check_columns(read_schema(file, shard.uri), source, shard.uri)


def _plan_coco(source: CocoImages, storage: Storage, images_per_unit: int) -> list[Shard]:
    fs, path = open_filesystem(source.instances, storage)
    names = read_coco_images(read_bytes(fs, path), source.instances)
    fs, folder = open_filesystem(source.images, storage)
    folder = folder.rstrip("/")
    images = [(str(image_id), uri_of(fs, f"{folder}/{name}")) for image_id, name in names]
    try:
        file_size(fs, path_of(fs, images[0][1]))
    except MissingFile:
        # One file may be gone and becomes a row; a wrong folder is worth a listing to tell.
        present = list_files(fs, folder).keys()
        if not any(name in present for _, name in names):
            raise BadStorage(
                "a folder without any of the COCO file's images",
                source.images,
                f"{len(present)} files, no {names[0][1]}",
                f"the folder that the file names of {source.instances} start from",
            ) from None
    return cut_list(images, uri_of(fs, folder), images_per_unit)


def _shard_id(kind: str, parts: Sequence[str | int]) -> str:
    # JSON, as a plain join could give two lists one text.
    return hashlib.sha256(json.dumps([kind, *parts]).encode()).hexdigest()[:16]
