"""Read a few labelled images again, from where their rows say they were."""

import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.storage.files import file_size
from pipeline.storage.place import Place
from pipeline.storage.stored_file import open_file
from schemas.errors import BadStorage
from schemas.storage import Storage

ARCHIVE_MARK = ".tar#"  # between the two parts of a member's URI: s3://b/a.tar#cat_01.jpg
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
        archive, mark, member = uri.partition(ARCHIVE_MARK)
        if mark:
            archives.setdefault(f"{archive}.tar", set()).add(member)
        else:
            files.append(uri)
    with ThreadPoolExecutor(READ_THREADS) as pool:
        yield from pool.map(lambda uri: (uri, _file(uri, storage)), files)
        found = pool.map(
            lambda archive: _members(archive[0], archive[1], storage), archives.items()
        )
        for uri, members in zip(archives, found, strict=True):
            yield from ((f"{uri}#{member}", image) for member, image in members.items())


def _file(uri: str, storage: Storage) -> ImageOrReason:
    if ".parquet#" in uri:
        return "images inside Parquet files are not read again"
    try:
        return Place.open(uri, storage).read()
    except (BadStorage, OSError) as error:
        return f"the image can no longer be read: {_short(error)}"


def _members(uri: str, members: set[str], storage: Storage) -> dict[str, ImageOrReason]:
    found: dict[str, ImageOrReason] = {}
    try:
        place = Place.open(uri, storage)
        size = file_size(place.fs, place.path) or 0
        with (
            open_file(place.fs, place.path, size) as file,
            tarfile.open(fileobj=file, mode="r:") as tar,
        ):
            for member in tar:
                if member.name in members and (data := tar.extractfile(member)):
                    found[member.name] = data.read()
                if len(found) == len(members):
                    break
        reason = "the shard no longer holds this image"
    except (BadStorage, OSError, tarfile.TarError) as error:
        reason = f"the shard can no longer be read: {_short(error)}"
    return {member: found.get(member, reason) for member in members}


def _short(error: Exception) -> str:
    return error.got if isinstance(error, BadStorage) else str(error)
