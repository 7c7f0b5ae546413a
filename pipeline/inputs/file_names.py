"""Turn the files below the listed folders into names, each of which is an image's id for good.

A name is a file's path below the folder that was listed for it (the part of a pattern before its
first wildcard; of a single file, its own folder). The first folder's names begin with nothing, any
other's with the folder's own name, so that a folder added at the end of a list changes no name:

    uris: [data/a]           -> x.jpg, deep/y.jpg
    uris: [data/a, data/b]   -> x.jpg, deep/y.jpg, b/x.jpg

An output keeps the names it gave first, whatever is listed later (`pipeline.output.namesakes`).
"""

from collections.abc import Collection, Iterable, Sequence


def name_below_roots(roots: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Map each path to its name; `roots` gives the listed folders and the paths found there."""
    labels: dict[str, str] = {}
    names: dict[str, str] = {}
    taken: set[str] = set()
    for folder, paths in roots:
        label = labels.setdefault(folder, _label(folder, labels.values()))
        for path in paths:
            below = path[len(folder) :].lstrip("/")
            name = free_name(f"{label}/{below}" if label else below, taken)
            names[path] = name
            taken.add(name)
    return names


def _label(folder: str, others: Collection[str]) -> str:
    if not others:
        return ""
    return free_name(folder.rstrip("/").rpartition("/")[2], others)


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: `a/x.jpg`, `a/x~2.jpg`, …"""
    folder, slash, name = wanted.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    free, copy = wanted, 1
    while free in taken:
        copy += 1
        free = f"{folder}{slash}{stem}~{copy}{dot}{suffix}"
    return free
