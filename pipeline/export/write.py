"""Create an export's files, many at once, and refuse to mix two exports in one folder."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from pipeline.storage.place import Place
from schemas.errors import BadInput

WRITE_THREADS = 16  # files of some 10 kB: they wait for storage
GROUP = 256  # images whose masks are in memory at once

T = TypeVar("T")


def create(file: Place, data: bytes) -> None:
    """Write a new file; one that is there with the same bytes is fine. Raises BadInput."""
    if not file.create(data):
        raise BadInput(
            "a file that is there already, with other contents",
            file.uri,
            "another export's file, or two images of one name",
            "a folder of its own for each export and its options",
        )


def in_groups(items: Iterable[T], most: int = GROUP) -> Iterator[list[T]]:
    """Yield the items in lists of at most `most`."""
    rest = iter(items)
    while group := list(islice(rest, most)):
        yield group
