"""Read a few labelled images again, from where their rows say they were."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.inputs.address import PARQUET_SUFFIX, member_uri, open_place, split_uri
from pipeline.inputs.archive import Archive, Damage
from pipeline.inputs.parquet import read_parquet
from pipeline.storage.stored_file import open_file
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.job.source import ParquetImages, Source
from schemas.job.storage import Storage

READ_THREADS = 8

ImageOrReason = bytes | str
"""An image's bytes, or a sentence that says why there are none."""


def read_again(
    uris: Iterable[str], storage: Storage, source: Source | None = None
) -> Iterator[tuple[str, ImageOrReason]]:
    """Yield each URI once with what is there now, in no special order; nothing is raised.

    Each archive is read once from its start up to the last member wanted. Of a Parquet file, only
    the source says which column holds the images.
    """
    files: list[str] = []
    archives: dict[str, set[str]] = {}
    for uri in dict.fromkeys(uris):
        archive, member = split_uri(uri)
        if member and (isinstance(source, ParquetImages) or not _is_parquet(archive)):
            archives.setdefault(archive, set()).add(member)
        else:
            files.append(uri)
    with ThreadPoolExecutor(READ_THREADS) as pool:
        yield from pool.map(lambda uri: (uri, _file(uri, storage)), files)
        found = pool.map(
            lambda archive: _inside(archive[0], archive[1], storage, source), archives.items()
        )
        for uri, members in zip(archives, found, strict=True):
            yield from ((member_uri(uri, member), image) for member, image in members.items())


def _file(uri: str, storage: Storage) -> ImageOrReason:
    if f"{PARQUET_SUFFIX}#" in uri.lower():
        return "images inside Parquet files are not read again"
    try:
        return open_place(uri, storage).read()
    except MissingFile as error:
        # A tar may be named without a suffix.
        archive, mark, member = uri.partition("#")
        return _members(archive, {member}, storage)[member] if mark else _gone(error)
    except (BadStorage, OSError) as error:
        return _gone(error)


def _is_parquet(uri: str) -> bool:
    return uri.lower().endswith(PARQUET_SUFFIX)


def _inside(
    uri: str, members: set[str], storage: Storage, source: Source | None
) -> dict[str, ImageOrReason]:
    if isinstance(source, ParquetImages) and _is_parquet(uri):
        return _rows(uri, members, storage, source)
    return _members(uri, members, storage)


def _rows(
    uri: str, rows: set[str], storage: Storage, source: ParquetImages
) -> dict[str, ImageOrReason]:
    found: dict[str, ImageOrReason] = {}
    try:
        place = open_place(uri, storage)
        with open_file(place.fs, place.path, place.size() or 0) as file:
            read = read_parquet(file, source, uri, lambda number: str(number) in rows)
            for number, row in enumerate(read):
                if row.data is not None:
                    found[str(number)] = row.data
                if len(found) == len(rows):
                    break
        reason = "the file holds no such image"
    except (BadInput, BadStorage, OSError) as error:
        reason = f"the file can no longer be read: {_short(error)}"
    return {row: found.get(row, reason) for row in rows}


def _gone(error: Exception) -> str:
    return f"the image can no longer be read: {_short(error)}"


def _members(uri: str, members: set[str], storage: Storage) -> dict[str, ImageOrReason]:
    found: dict[str, ImageOrReason] = {}
    try:
        place = open_place(uri, storage)
        size = place.size() or 0
        with open_file(place.fs, place.path, size) as file:
            archive = Archive(file, size)
            for member in archive.members():
                # Of two members of one name the first is the one that was labelled.
                if member.name in members and member.name not in found:
                    found[member.name] = archive.read(member)
                if len(found) == len(members):
                    break
        reason = "the shard no longer holds this image"
    except (BadStorage, OSError, Damage) as error:
        reason = f"the shard can no longer be read: {_short(error)}"
    return {member: found.get(member, reason) for member in members}


def _short(error: Exception) -> str:
    return error.got if isinstance(error, BadInput | BadStorage) else str(error)
