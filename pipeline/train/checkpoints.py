"""Find a fold's newest whole checkpoint among the runs that left some.

Ray Train uploads checkpoints file by file, and a run's own list of them can be cut off by a kill.
So what counts is what a checkpoint says of itself: a folder whose files have the hashes in its
state.json is whole, wherever it came from. Every start of a command is a run of its own:

    <output>/fold-<n>/runs/<number>/<checkpoint>/…
"""

import re
from pathlib import PurePosixPath

from fsspec import AbstractFileSystem

from pipeline.storage.files import list_files, read_bytes, remove
from pipeline.train.state import STATE, check_whole
from schemas.errors import BadStorage
from schemas.train import TrainState

RUN = re.compile(r"(\d{4})/")


def read_checkpoint(fs: AbstractFileSystem, folder: str) -> dict[str, bytes]:
    """Read every file of a checkpoint's folder: a few times the encoder's 6 MB."""
    return {name: read_bytes(fs, f"{folder}/{name}") for name in list_files(fs, folder)}


def newest_checkpoint(fs: AbstractFileSystem, runs: str) -> tuple[str, TrainState] | None:
    """Return the folder and the state of the whole checkpoint with the most steps."""
    found: list[tuple[int, str]] = []
    for name in list_files(fs, runs):
        if name.endswith(f"/{STATE}"):
            folder = f"{runs}/{PurePosixPath(name).parent}"
            try:
                state = TrainState.model_validate_json(read_bytes(fs, f"{folder}/{STATE}"))
            except ValueError:  # cut off in the writing
                continue
            found.append((state.step, folder))
    for _, folder in sorted(found, reverse=True):
        try:
            return folder, check_whole(read_checkpoint(fs, folder), folder)
        except BadStorage:  # cut off in the upload: the one before it counts
            continue
    return None


def begin_run(fs: AbstractFileSystem, runs: str, kept: str | None) -> str:
    """Return the name of a new run; remove what earlier runs left but the checkpoint kept."""
    names = list(list_files(fs, runs))
    for name in names:
        if kept is None or not f"{runs}/{name}".startswith(f"{kept}/"):
            remove(fs, f"{runs}/{name}")
    numbers = [int(match[1]) for name in names if (match := RUN.match(name))]
    return f"{max(numbers, default=-1) + 1:04d}"
