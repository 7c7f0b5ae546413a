"""Give the units of a small job to one process of this machine, which needs no Ray.

Ray takes longer to begin than a few images take. The process is begun before anything is known of
the job but that one worker of this machine may do it: it imports torch while the command checks
the job. It is not the command's own: what an image may do to it is then survived.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing import get_context
from typing import TYPE_CHECKING

from pipeline.masks.child import live_as_long_as_parent
from schemas.errors import BadInput

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pipeline.label.actor import SegmentTask
    from pipeline.label.run import Work
    from schemas.record.receipt import Receipt


class ProcessDied(Exception):
    """The process ended before its work did; what it has committed stays."""


class OwnProcess:
    """A process that waits for one task, labels its units and ends; on so many cores."""

    def __init__(self, cores: int) -> None:
        spawn = get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, cores), daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be seen

    def close(self) -> None:
        """End it, whatever it does."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def label(self, task: SegmentTask, work: Work) -> Iterator[Receipt]:
        """Yield a receipt for every unit committed.

        Raises BadInput where the model cannot run, OSError of a storage that kept failing,
        ProcessDied with its exit code.
        """
        for answer in self._answers(task, work):
            if isinstance(answer, (BadInput, OSError)):
                raise answer
            yield answer

    def _answers(self, task: SegmentTask, work: Work) -> Iterator[Receipt | BadInput | OSError]:
        try:
            self._pipe.send((task, work))
            while (answer := self._pipe.recv()) is not None:
                yield answer
        except (EOFError, OSError) as error:
            self._process.join()
            raise ProcessDied(str(self._process.exitcode)) from error


def _serve(pipe: Connection, cores: int) -> None:
    """Wait for a task, do it, and send what came of it."""
    live_as_long_as_parent()
    os.environ["OMP_NUM_THREADS"] = str(cores)  # as Ray does; the same bytes come of it
    # Only here: torch's seconds are what the command need not wait for.
    from pipeline.workers.here import in_this_process

    try:
        task, work = pipe.recv()
    except EOFError:
        return  # the command had no use for it
    try:
        for receipt in in_this_process(task, work):
            pipe.send(receipt)
    except (BadInput, OSError) as error:
        pipe.send(error)  # Ray's workers would meet it too: a full disk, say
    else:
        pipe.send(None)
