"""A function called by processes, where threads of one Python would take turns with a GPU's own.

What asks a GPU gives up Python's lock at each of a thousand kernels a batch. Whatever else runs in
its process meanwhile has it then, and the GPU waits.
"""

import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, Generic, ParamSpec, TypeVar

_LOG = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Processes(Generic[P, R]):
    """A function that so many processes call for whatever thread asks; they end with this one.

    It is sent to each of them once, by pickle. Where one of them is killed, whoever asks calls the
    function here, from then on: nothing is lost but time.
    """

    def __init__(self, function: Callable[P, R], count: int) -> None:
        self._function = function
        spawn = get_context("spawn")
        self._pool: ProcessPoolExecutor | None = ProcessPoolExecutor(
            count, spawn, _begin, (function,)
        )
        for _ in range(count):  # they begin, and import what they need, before they are asked
            self._pool.submit(os.getpid)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns, or raise what it raises."""
        if (pool := self._pool) is not None:
            try:
                return pool.submit(_call, *args, **kwargs).result()
            except BrokenProcessPool:
                _LOG.warning("a process beside the model was killed; its work goes on in threads")
                self._pool = None
        return self._function(*args, **kwargs)


_function: Callable[..., Any] | None = None


def _begin(function: Callable[..., Any]) -> None:
    global _function  # noqa: PLW0603  one a process, as it is sent once
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command's: it ends these
    Thread(target=_end_with_parent, daemon=True).start()


def _call(*args: Any, **kwargs: Any) -> Any:
    assert _function is not None, "a process begins with its function"
    return _function(*args, **kwargs)


def _end_with_parent() -> None:
    """End when the process that asks does, however that was."""
    parent = parent_process()
    assert parent is not None, "begun by another process"
    parent.join()
    os._exit(1)
