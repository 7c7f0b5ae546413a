"""Find a fold's newest whole checkpoint among the runs that left some.

Ray Train uploads checkpoints file by file, and a run's own list of them can be cut off by a kill.
So what counts is what a checkpoint says of itself: a folder whose files have the hashes in its
state.json is whole, wherever it came from. Every start of a command is a run of its own.
"""

import re
from pathlib import PurePosixPath

from pipeline.storage.place import Place
from pipeline.train.state import STATE, check_whole
from schemas.errors import BadStorage
from schemas.job.train import TrainState

RUN = re.compile(r"(\d{4})/")


def read_checkpoint(folder: Place) -> dict[str, bytes]:
    """Read every file of a checkpoint's folder: a few times the encoder's 6 MB."""
    return {name: folder.below(name).read() for name in folder.files()}


def newest_checkpoint(runs: Place) -> tuple[Place, TrainState] | None:
    """Return the folder and the state of the whole checkpoint with the most steps."""
    candidates: list[tuple[int, Place]] = []
    for name in runs.files():
        if name.endswith(f"/{STATE}"):
            folder = runs.below(str(PurePosixPath(name).parent))
            try:
                state = TrainState.model_validate_json(folder.below(STATE).read())
            except ValueError:  # cut off in the writing
                continue
            candidates.append((state.step, folder))
    for _, folder in sorted(candidates, key=lambda one: (one[0], one[1].path), reverse=True):
        try:
            return folder, check_whole(read_checkpoint(folder), folder.uri)
        except BadStorage:  # cut off in the upload: the one before it counts
            continue
    return None


def begin_run(runs: Place, kept: Place | None) -> str:
    """Return the name of a new run; remove what earlier runs left but the checkpoint kept."""
    names = list(runs.files())
    for name in names:
        left = runs.below(name)
        if kept is None or not left.path.startswith(f"{kept.path}/"):
            left.remove()
    numbers = [int(match[1]) for name in names if (match := RUN.match(name))]
    return f"{max(numbers, default=-1) + 1:04d}"
