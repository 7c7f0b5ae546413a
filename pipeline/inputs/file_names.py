"""Turn the files below the listed folders into names, each of which is an image's id for good.

A name is a file's path below the folder that was listed for it (the part of a pattern before its
first wildcard; of a single file, its own folder). The first folder's names begin with nothing, any
other's with the folder's own name, so that a folder added at the end of a list changes no name:

    uris: [data/a]           -> x.jpg, deep/y.jpg
    uris: [data/a, data/b]   -> x.jpg, deep/y.jpg, b/x.jpg

An output keeps the names it gave first, whatever is listed later (`pipeline.output.namesakes`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count


def name_below_roots(roots: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Map each path to its name; `roots` gives the listed folders and the paths found there."""
    labels = _Labels()
    names: dict[str, str] = {}
    taken: set[str] = set()
    for folder, paths in roots:
        label = labels.of(folder)
        for path in paths:
            below = path[len(folder) :].lstrip("/")
            name = free_name(f"{label}/{below}" if label else below, taken)
            names[path] = name
            taken.add(name)
    return names


class _Labels:
    """What names of each folder begin with: of the first nothing, else its own name, if free."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()
        # Thousands of folders may have one name: each search goes on where the last one ended.
        self._copies: dict[str, Iterator[str]] = {}

    def of(self, folder: str) -> str:
        """Return a folder's label, the same each time."""
        if folder not in self._given:
            self._given[folder] = self._free(folder) if self._given else ""
            self._taken.add(self._given[folder])
        return self._given[folder]

    def _free(self, folder: str) -> str:
        wanted = folder.rstrip("/").rpartition("/")[2]
        copies = self._copies.setdefault(wanted, _copies(wanted))
        return next(name for name in copies if name not in self._taken)


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: `a/x.jpg`, `a/x~2.jpg`, …"""
    return next(name for name in _copies(wanted) if name not in taken)


def _copies(wanted: str) -> Iterator[str]:
    folder, slash, name = wanted.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    yield wanted
    for copy in count(2):
        yield f"{folder}{slash}{stem}~{copy}{dot}{suffix}"
