"""Turn where an image lies into a URI that every row, report and index understands, and back.

A file has its own URI, a member of an archive `s3://bucket/a.tar#cat_01.jpg`, a row of a Parquet
file `a.parquet#17`. A name that is no UTF-8, which neither JSON nor Parquet can hold, has its
foreign bytes as %FF.
"""

import os
import re

from fsspec.implementations.local import LocalFileSystem

from pipeline.storage.place import Place
from schemas.job.storage import Storage

TAR_SUFFIXES = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
PARQUET_SUFFIX = ".parquet"

_ARCHIVE = re.compile(r"\.(?:tar(?:\.(?:gz|bz2|xz))?|tgz|tbz2|txz|parquet)(?=#)", re.IGNORECASE)
# How Python holds a byte above 127 that is no UTF-8 (PEP 383), and how it is written here.
_FOREIGN = re.compile("[\udc80-\udcff]")
_WRITTEN = re.compile("%([89A-F][0-9A-F])")


def member_uri(archive_uri: str, member: object) -> str:
    """Return the URI of an archive's member, or of the archive itself for a fault without one."""
    return archive_uri if member == "" else f"{archive_uri}#{member}"


def split_uri(uri: str, *, in_archive: bool = False) -> tuple[str, str]:
    """Return the file of a URI, and the member in it or "".

    The file ends at the first suffix of an archive, as a member's name may look like one too; one
    without such a suffix, known to be an archive, ends at the first #.
    """
    if found := _ARCHIVE.search(uri):
        return uri[: found.end()], uri[found.end() + 1 :]
    archive, _, member = uri.partition("#")
    return (archive, member) if in_archive else (uri, "")


def tar_stem(name: str) -> str:
    """Return what the ids of a tar's images begin with: its name without the suffix."""
    suffix = max((s for s in TAR_SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)]


def text_of(name: str) -> str:
    """Return a name of a file or member as text that UTF-8 can hold."""
    return _FOREIGN.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)


def open_place(uri: str, storage: Storage) -> Place:
    """Open the file system of a file that a row names."""
    return _stored(Place.open(uri, storage))


def place_at(start: Place, uri: str) -> Place:
    """Return the place of another file of the same storage."""
    return _stored(start.at(uri))


def _stored(place: Place) -> Place:
    """Return where a file lies whose name may be written with %FF for a foreign byte."""
    if not isinstance(place.fs, LocalFileSystem) or not _WRITTEN.search(place.path):
        return place
    if os.path.lexists(place.path):
        return place
    path = _WRITTEN.sub(lambda found: chr(0xDC00 + int(found[1], 16)), place.path)
    return Place(place.fs, path, place.uri)
