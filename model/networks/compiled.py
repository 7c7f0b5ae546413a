"""Functions of tensors are compiled where a GPU computes them in bf16: fewer and larger kernels.

What a node compiled once lies in its folder of temporary files for the next process. The variable
TORCH_COMPILE_DISABLE=1, which is torch's, leaves all as it is.
"""

import logging
from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Generic, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

_LOG = logging.getLogger(__name__)
# Of a function: SAM's blocks have two, and a process may hold several networks.
MOST_SHAPES = 64

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that is compiled for tensors in bf16 on a GPU whose first size is more than one.

    The first size is that of a batch, and may change; one would be a shape of its own. The function
    is used as it is where gradients are wanted, and from then on where compiling fails.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        update_wrapper(self, function)
        self._plain = function
        self._compiled: Callable[P, R] | None = None
        self._fails = False

    def __get__(self, instance: object, owner: type) -> Callable[..., R]:
        """Return the method of an object, where the function is one."""
        return MethodType(self, instance)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function does."""
        tensors = [one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)]
        alone = len(tensors[0]) == 1 or torch.is_grad_enabled()
        if alone or self._fails or not all(map(_fits, tensors)):
            return self._plain(*args, **kwargs)
        # Only now: it takes a second to import.
        import torch._dynamo as dynamo  # noqa: PLC0415

        for tensor in tensors:
            if len(tensor) > 1:
                dynamo.maybe_mark_dynamic(tensor, 0)
        if self._compiled is None:
            dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, MOST_SHAPES)
            self._compiled = torch.compile(self._plain)
        try:
            return self._compiled(*args, **kwargs)
        except (torch.AcceleratorError, torch.OutOfMemoryError):
            raise  # not the compiler's
        except Exception as error:  # noqa: BLE001  what is the function's own comes again
            _LOG.warning("%s cannot be compiled here: %s", self._plain, error)
            self._fails = True
        # Outside of the handler: the error holds what was computed so far in memory.
        return self._plain(*args, **kwargs)


def _fits(tensor: Tensor) -> bool:
    # A subclass is a tensor without values, of a test or of a compiler.
    real = type(tensor) in (Tensor, nn.Parameter)
    return real and tensor.is_cuda and tensor.dtype in (torch.bfloat16, torch.bool)
