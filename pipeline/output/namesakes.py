"""Tell which of the files listed now an earlier plan holds already, and under which name.

A file is known by its address: where that is planned, the file keeps the name it was planned
under, whatever else is listed and in which order. Where a collection has moved, a planned file
whose folder is gone is found again by its name; of plans made when names began at the folder that
all listed ones share, also by an address that ends in the name. A collection has not moved where
the planned files are still there and are others: the next day's photos have the same names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pipeline.inputs.address import open_place
from pipeline.inputs.file_names import free_name
from pipeline.storage.place import Place
from schemas.errors import BadInput, BadStorage
from schemas.job.storage import Storage

# Pairs compared of a collection that seems to have moved.
_COMPARED = 16
# Of either end of two files of one size: frames of a camera may begin alike.
_END_BYTES = 2**20

IsOther = Callable[[str, str], bool]
"""True if a planned address still holds a file, and another one than the second address."""


def never_other(planned: str, current: str) -> bool:
    """Take every namesake for the same file, as where nothing is planned."""
    return False


def by_content(storage: Storage) -> IsOther:
    """Tell two files on a job's storage apart by their sizes, and by their first and last bytes."""

    def is_other(planned: str, current: str) -> bool:
        try:
            before = open_place(planned, storage)
            size = before.size()
        except (BadStorage, OSError):
            return False
        if size is None:
            return False
        now = open_place(current, storage)
        return size != now.size() or _ends(before, size) != _ends(now, size)

    return is_other


def _ends(file: Place, size: int) -> tuple[bytes, bytes]:
    first = file.read(start=0, end=min(size, _END_BYTES))
    return first, file.read(start=max(0, size - _END_BYTES), end=size)


@dataclass(frozen=True)
class Matched:
    """Known names with their current addresses, and the new files by names of their own."""

    known: Mapping[str, str]
    new: tuple[tuple[str, str], ...]  # (name, address)

    def gone(self, planned: Iterable[str]) -> list[str]:
        """Return the planned names that no current file has."""
        return [name for name in planned if name not in self.known]

    def moved(self, planned: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """Return the names of files that are no longer where they were planned, and both places."""
        return [
            (name, planned[name], uri) for name, uri in self.known.items() if planned[name] != uri
        ]


def match_files(
    planned: Mapping[str, str],
    current: Iterable[tuple[str, str]],
    *,
    names_given: bool = False,
    is_other: IsOther = never_other,
) -> Matched:
    """Match (name, address) pairs of now with the planned addresses by name.

    names_given: the names are somebody else's (COCO ids), and so the only thing that counts.
    Raises BadInput where one of these means another file now.
    """
    files = list(current)
    if names_given:
        _check_given(planned, files)
        known = {name: uri for name, uri in files if name in planned}
        return Matched(known, tuple((name, uri) for name, uri in files if name not in planned))
    names = {uri: name for name, uri in planned.items()}
    known = {names[uri]: uri for _, uri in files if uri in names}
    unknown = [(name, uri) for name, uri in files if uri not in names]
    folders = {_folder(uri) for _, uri in files}
    gone = {n for n, uri in planned.items() if n not in known and _folder(uri) not in folders}
    moved = _moved(unknown, gone, all_moved=not known)
    pairs = [(planned[namesake], uri) for uri, namesake in moved.items()]
    if any(is_other(*pair) for pair in pairs[:: -(-len(pairs) // _COMPARED) or 1]):
        moved = {}
    taken = set(planned)
    new: list[tuple[str, str]] = []
    for name, uri in unknown:
        if uri in moved:
            known[moved[uri]] = uri
        else:
            free = free_name(name, taken)
            taken.add(free)
            new.append((free, uri))
    return Matched(known, tuple(new))


def _check_given(planned: Mapping[str, str], files: Iterable[tuple[str, str]]) -> None:
    """Raise BadInput if a name's file has another name of its own than when it was planned."""
    others = [
        (name, planned[name].rpartition("/")[2], uri.rpartition("/")[2])
        for name, uri in files
        if name in planned and planned[name].rpartition("/")[2] != uri.rpartition("/")[2]
    ]
    if others:
        name, before, now = others[0]
        raise BadInput(
            "ids of a COCO file that mean other images now",
            f"id {name}",
            f"{now} (so of {len(others)} ids in all)",
            f"{before}, as when this output was begun; for other images another output",
        )


def _moved(
    unknown: Iterable[tuple[str, str]], gone: set[str], *, all_moved: bool
) -> dict[str, str]:
    """Map current addresses to the planned names they seem to have moved from."""
    left, moved = set(gone), {}
    for name, uri in unknown:
        namesake = name if name in left else _ending(uri, left) if all_moved else None
        if namesake is not None:
            moved[uri] = namesake
            left.discard(namesake)
    return moved


def _folder(uri: str) -> str:
    return uri.rpartition("/")[0]


def _ending(uri: str, names: set[str]) -> str | None:
    """Return the longest of the names that an address ends in, by whole folders."""
    parts = uri.split("/")
    endings = ("/".join(parts[start:]) for start in range(1, len(parts)))
    return next((ending for ending in endings if ending in names), None)
