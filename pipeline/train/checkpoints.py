"""Find a fold's newest whole checkpoint among the runs that left some.

Ray Train uploads checkpoints file by file, and a run's own list of them can be cut off by a kill.
So what counts is what a checkpoint says of itself: a folder whose files have the hashes in its
state.json is whole, wherever it came from. Every start of a command is a run of its own.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.storage.place import Place
from pipeline.train.state import STATE, NotWhole, check_whole
from schemas.job.train import TrainState

RUN = re.compile(r"(\d{4})/")


def read_checkpoint(folder: Place) -> dict[str, bytes]:
    """Read every file of a checkpoint's folder: a few times the encoder's 6 MB."""
    return {name: folder.below(name).read() for name in folder.files()}


@dataclass(frozen=True)
class FoundCheckpoints:
    """What a fold goes on from, and what it might have."""

    newest: tuple[Place, TrainState] | None
    """The folder and the state of the whole checkpoint with the most steps."""
    damaged: tuple[str, ...]
    """Those of more steps that are not whole."""


def newest_checkpoint(runs: Place) -> tuple[Place, TrainState] | None:
    """Return the folder and the state of the whole checkpoint with the most steps."""
    return find_checkpoints(runs).newest


def find_checkpoints(runs: Place) -> FoundCheckpoints:
    """Read the checkpoints from the one with the most steps on, up to one that is whole.

    Raises BadStorage where the storage does not answer: what cannot be read may be whole.
    """
    candidates: list[tuple[int, Place]] = []
    damaged: list[str] = []
    for name in runs.files():
        if name.endswith(f"/{STATE}"):
            folder = runs.below(str(PurePosixPath(name).parent))
            try:
                state = TrainState.model_validate_json(folder.below(STATE).read())
            except ValueError:  # cut off in the writing
                damaged.append(folder.uri)
                continue
            candidates.append((state.step, folder))
    for _, folder in sorted(candidates, key=lambda one: (one[0], one[1].path), reverse=True):
        try:
            state = check_whole(read_checkpoint(folder), folder.uri)
        except NotWhole:  # cut off in the upload: the one before it counts
            damaged.append(folder.uri)
            continue
        return FoundCheckpoints((folder, state), tuple(damaged))
    return FoundCheckpoints(None, tuple(damaged))


def begin_run(runs: Place, kept: Place | None) -> str:
    """Return the name of a new run; remove what runs before the one that saved `kept` left.

    Where nothing is kept, nothing is removed.
    """
    number_of = {name: int(match[1]) for name in runs.files() if (match := RUN.match(name))}
    if kept is not None:
        run = int(PurePosixPath(kept.path).parent.name)
        for name, number in number_of.items():
            if number < run:
                runs.below(name).remove()
    return f"{max(number_of.values(), default=-1) + 1:04d}"
