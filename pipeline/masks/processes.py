"""A function called by processes, where threads of one Python would take turns with a GPU's own.

What asks a GPU gives up Python's lock at each of a hundred kernels a batch. Whatever else runs in
its process meanwhile has it then, and the GPU waits. Arrays travel in memory that both see.
"""

import logging
import mmap
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import accumulate, pairwise
from multiprocessing import get_context
from threading import local
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from pipeline.masks.child import live_as_long_as_parent

_LOG = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Processes(Generic[P, R]):
    """A function that so many processes call for whatever thread asks; they end with this one.

    It is sent to each of them once, by pickle. Where one of them is killed, or may not see the
    memory, whoever asks calls the function here, from then on: nothing is lost but time.
    """

    def __init__(self, function: Callable[P, R], count: int) -> None:
        self._function = function
        spawn = get_context("spawn")
        self._pool: ProcessPoolExecutor | None = ProcessPoolExecutor(
            count, spawn, _begin, (function,)
        )
        self._of_thread = local()
        for _ in range(count):  # they begin, and import what they need, before they are asked
            self._pool.submit(os.getpid)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns, or raise what it raises."""
        if (pool := self._pool) is not None:
            buffers: list[pickle.PickleBuffer] = []
            asked = pickle.dumps((args, kwargs), protocol=5, buffer_callback=buffers.append)
            try:
                return pool.submit(_call, asked, self._shown(buffers)).result()
            except (BrokenProcessPool, OSError) as error:
                _LOG.warning("no processes beside the model, but threads: %s", error)
                self._pool = None
        return self._function(*args, **kwargs)

    def _shown(self, buffers: Sequence[pickle.PickleBuffer]) -> "_Shown":
        """Write buffers to this thread's memory, whose last call has been answered."""
        raws = [buffer.raw() for buffer in buffers]
        ends = tuple(accumulate((len(raw) for raw in raws), initial=0))
        memory: _Memory | None = getattr(self._of_thread, "memory", None)
        if memory is None or len(memory.bytes) < ends[-1]:
            self._of_thread.memory = memory = _Memory(ends[-1])
        for raw, (start, end) in zip(raws, pairwise(ends), strict=True):
            # By numpy, which lets other threads go on.
            memory.bytes[start:end] = np.frombuffer(raw, np.uint8)
        return memory.fd, ends


_Shown = tuple[int, tuple[int, ...]]
"""A file of the process that asks, open there, and where in it each buffer begins and ends."""


class _Memory:
    """Memory with a file descriptor, which ends with its process."""

    def __init__(self, size: int) -> None:
        self.fd = os.memfd_create("processes")
        os.ftruncate(self.fd, max(1, size))
        self.bytes = np.frombuffer(mmap.mmap(self.fd, max(1, size)), np.uint8)

    def __del__(self) -> None:
        os.close(self.fd)


_function: Callable[..., Any] | None = None


def _begin(function: Callable[..., Any]) -> None:
    global _function  # noqa: PLW0603  one a process, as it is sent once
    _function = function
    live_as_long_as_parent()


def _call(asked: bytes, shown: _Shown) -> Any:
    assert _function is not None, "a process begins with its function"
    fd, ends = shown
    with open(f"/proc/{os.getppid()}/fd/{fd}", "rb") as file:
        # A function may write to its arrays: to pages of its own.
        memory = memoryview(mmap.mmap(file.fileno(), max(1, ends[-1]), access=mmap.ACCESS_COPY))
    buffers = [memory[start:end] for start, end in pairwise(ends)]
    args, kwargs = pickle.loads(asked, buffers=buffers)  # noqa: S301  by who began this process
    return _function(*args, **kwargs)
