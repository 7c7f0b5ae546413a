"""A process that another one began ends when that one does."""

import os
import signal
from multiprocessing import parent_process
from threading import Thread


def live_as_long_as_parent() -> None:
    """Let this process end when the one that began it does, however that is, and not before.

    Nobody would be left who could say what went wrong; and an interrupt is the other's to answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "begun by another process"
    parent.join()
    os._exit(1)
