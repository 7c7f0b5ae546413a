"""Turn a folder of this machine into the files below it: links followed, and none of them twice."""

import errno
import os
from collections import deque


def list_local(folder: str, stem: str, deep: bool) -> dict[str, int]:
    """Return path below a folder -> bytes of each file there, as `list_files` wants them.

    Raises OSError.
    """
    sizes: dict[str, int] = {}
    seen: set[tuple[int, int]] = set()
    # Links to folders are followed, as people assemble data sets from them, once all real folders
    # have been: of a folder with two names the real one counts. `seen` ends a loop.
    starts = deque([folder])
    while starts:
        for parent, folders, names in os.walk(starts.popleft(), onerror=_raise_unless_absent):
            status = os.stat(parent)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            below = "" if parent == folder else os.path.relpath(parent, folder) + "/"
            for name in names:
                if (size := _size_if_there(os.path.join(parent, name))) is not None:
                    sizes[below + name] = size
            first = stem[len(below) :].partition("/")[0] if stem.startswith(below) else ""
            folders[:] = sorted(name for name in folders if deep and name.startswith(first))
            paths = (os.path.join(parent, name) for name in folders)
            starts.extend(path for path in paths if os.path.islink(path))
    return sizes


def _size_if_there(path: str) -> int | None:
    """Return a file's size; None for one removed meanwhile, or a link to nothing or to itself."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None


def _raise_unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
