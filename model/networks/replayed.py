"""What a GPU is asked with every batch is recorded once and then asked for in one call.

A batch is a thousand kernels, and Python takes longer to ask for them than a GPU takes for the
small ones (CUDA graphs). The variable VRP_REPLAY=0 records nothing.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_LOG = logging.getLogger(__name__)
# Until then a function may still be compiled, and choose its kernels.
PLAIN_CALLS = 2
# The memory of a recording's every step is its own.
MOST_RECORDINGS = 2

Shapes = tuple[tuple[torch.Size, torch.dtype], ...]


@dataclass(frozen=True)
class _Recording:
    """What is read and written whenever the graph is replayed."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def replay(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.graph.replay()
        return self.outputs


class Replayed:
    """A function of tensors alone, which reads no value of them, on a GPU.

    Recorded at the shapes that come again; called as it is at others, on a CPU, and where recording
    fails. Its results hold until it is called again.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        self._function = function
        self._seen: Counter[Shapes] = Counter()
        self._recordings: dict[Shapes, _Recording] = {}
        self._records = os.environ.get("VRP_REPLAY") != "0"

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the function does."""
        if not all(map(_fits, inputs)):
            return self._function(*inputs)
        shapes = tuple((one.shape, one.dtype) for one in inputs)
        if (recording := self._recordings.get(shapes)) is not None:
            return recording.replay(inputs)
        self._seen[shapes] += 1
        again = self._seen[shapes] > PLAIN_CALLS
        if not (self._records and again and len(self._recordings) < MOST_RECORDINGS):
            return self._function(*inputs)
        try:
            self._recordings[shapes] = _record(self._function, inputs)
        except RuntimeError as error:  # of a broken device too, which then says so again
            _LOG.warning("a batch cannot be recorded here: %s", error)
            self._records = False
        # Outside of the handler: the error holds all that was recorded in memory.
        recording = self._recordings.get(shapes)
        return self._function(*inputs) if recording is None else recording.replay(inputs)


def _fits(tensor: Tensor) -> bool:
    # A subclass is a tensor without values, of a test.
    return type(tensor) is Tensor and tensor.is_cuda


def _record(function: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]) -> _Recording:
    own = tuple(one.clone() for one in inputs)
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        # Other threads may ask the device for what they like meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = function(*own)
    finally:
        torch.cuda.set_stream(stream)  # where recording fails, its own stays
    return _Recording(graph, own, outputs)
