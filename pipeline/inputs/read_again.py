"""Read a few labelled images again, from where their rows say they were."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.inputs.address import PARQUET_SUFFIX, member_uri, open_place, split_uri
from pipeline.inputs.archive import Archive, Damage
from pipeline.storage.stored_file import open_file
from schemas.errors import BadStorage, MissingFile
from schemas.job.storage import Storage

READ_THREADS = 8

ImageOrReason = bytes | str
"""An image's bytes, or a sentence that says why there are none."""


def read_again(uris: Iterable[str], storage: Storage) -> Iterator[tuple[str, ImageOrReason]]:
    """Yield each URI once with what is there now, in no special order; nothing is raised.

    Each archive is read once from its start up to the last member wanted.
    """
    files: list[str] = []
    archives: dict[str, set[str]] = {}
    for uri in dict.fromkeys(uris):
        archive, member = split_uri(uri)
        if member and not archive.lower().endswith(PARQUET_SUFFIX):
            archives.setdefault(archive, set()).add(member)
        else:
            files.append(uri)
    with ThreadPoolExecutor(READ_THREADS) as pool:
        yield from pool.map(lambda uri: (uri, _file(uri, storage)), files)
        found = pool.map(
            lambda archive: _members(archive[0], archive[1], storage), archives.items()
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
    return error.got if isinstance(error, BadStorage) else str(error)
