"""A CUDA device without one: tensors there have a shape, a dtype and a device, but no values.

Real tensors stay on the CPU and are computed; those on `cuda` are fake, and mixing the two raises
as on a GPU. What a GPU would have to wait for (a value read by Python, a size that depends on
values) is answered, and recorded with the line of this repository that asked.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
ROOT = Path(__file__).parents[2]
CUDA = torch.device("cuda:0")
# Of a size that depends on values: as many rows.
ROWS = 3


@dataclass(frozen=True)
class Attention:
    """One call of `scaled_dot_product_attention`."""

    where: str
    query: tuple[int, ...]
    key: tuple[int, ...]
    value: tuple[int, ...]
    mask: tuple[int, ...] | None
    dtype: torch.dtype

    @property
    def fused(self) -> bool:
        """Whether flash attention takes it, or with a mask the memory-efficient kernel.

        PyTorch's sdp_utils_cpp.h and cuda/sdp_utils.cpp: half precision; flash wants one width of
        query, key and value, of at most 256; kernels read 8 numbers of 16 bits at once.
        """
        widths = {self.query[-1], self.key[-1], self.value[-1]}
        if self.dtype not in (torch.bfloat16, torch.float16) or any(w % 8 for w in widths):
            return False
        return self.mask is not None or (len(widths) == 1 and max(widths) <= 256)


@dataclass
class Record:
    """What the fake device was asked for, by the lines that asked."""

    to_host: Counter[str] = field(default_factory=Counter)
    """Copies of tensors to the CPU."""
    values: Counter[str] = field(default_factory=Counter)
    """Values read by Python, and sizes that depend on values: each waits for the device."""
    to_device: Counter[str] = field(default_factory=Counter)
    """Copies of real tensors to the device."""
    host_indices: Counter[str] = field(default_factory=Counter)
    """Device tensors indexed by lists or tensors of the CPU."""
    softmaxes: Counter[str] = field(default_factory=Counter)
    """Softmax outside of a fused attention: its scores were in memory."""
    attentions: list[Attention] = field(default_factory=list)

    def clear(self) -> None:
        """Forget what was recorded."""
        for counter in (self.to_host, self.values, self.to_device, self.host_indices):
            counter.clear()
        self.softmaxes.clear()
        self.attentions.clear()


class _Dispatch(TorchDispatchMode):
    """Compute on the CPU for real, and on the fake device by `FakeTensorMode`."""

    def __init__(self, record: Record, answer: bool) -> None:
        super().__init__()
        self._record = record
        self._answer = answer

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if func is aten._pin_memory.default:
            return args[0]
        if func.namespace == "prim":  # attributes of a fake tensor
            return func(*args, **kwargs)
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            # Inference mode hands these over whole.
            with self:
                return func.decompose(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        fake = any(isinstance(tensor, FakeTensor) for tensor in tensors)
        asked = kwargs.get("device")
        to_fake = asked is not None and torch.device(asked).type == "cuda"
        if not fake and not to_fake:
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        waits = self._waits(func, args, kwargs) if fake else None
        if waits is not None:
            return waits
        if tensors and not fake:
            return self._upload(tensors[0], kwargs)
        return func(*args, **kwargs)

    def _upload(self, tensor: Tensor, kwargs: Mapping[str, Any]) -> Tensor:
        if tensor.device.type == "cpu":
            self._record.to_device[_where()] += 1
        dtype = kwargs.get("dtype") or tensor.dtype
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype, device=CUDA)

    def _waits(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Answer what a GPU would have to finish its work for; None of anything else."""
        record = self._record
        if func is aten._local_scalar_dense.default:
            record.values[_where()] += 1
            return self._value(args[0].dtype)
        if func in (aten.equal.default, aten.is_nonzero.default):
            record.values[_where()] += 1
            return self._answer
        if func is aten._to_copy.default and torch.device(kwargs.get("device") or CUDA) == CPU:
            record.to_host[_where()] += 1
            return self._real(args[0], kwargs.get("dtype"))
        if func is aten.copy_.default and args[0].device == CPU:
            record.to_host[_where()] += 1
            return args[0]
        if func is aten.nonzero.default:
            record.values[_where()] += 1
            return torch.empty(ROWS, args[0].ndim, dtype=torch.int64, device=CUDA)
        if func in (aten._unique2.default, aten.unique_dim.default):
            record.values[_where()] += 1
            parts = torch.empty(ROWS, dtype=torch.int64, device=CUDA)
            return parts.to(args[0].dtype), parts, parts
        if func in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default):
            return self._index(func, args)
        if func in (aten._softmax.default, aten._safe_softmax.default):
            record.softmaxes[_where()] += 1
        return None

    def _index(self, func: Any, args: tuple[Any, ...]) -> Any:
        indices = []
        for index in args[1]:
            if isinstance(index, Tensor) and index.device == CPU:
                self._record.host_indices[_where()] += 1
                index = torch.empty(index.shape, dtype=index.dtype, device=CUDA)
            if isinstance(index, Tensor) and index.dtype == torch.bool:
                self._record.values[_where()] += 1
                rows = [torch.empty(ROWS, dtype=torch.int64, device=CUDA)] * index.ndim
                indices += rows
            else:
                indices.append(index)
        return func(args[0], indices, *args[2:])

    def _value(self, dtype: torch.dtype) -> bool | int | float:
        if dtype == torch.bool:
            return self._answer
        return 1.0 if dtype.is_floating_point else 0

    def _real(self, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
        with unset_fake_temporarily():
            return torch.ones(tuple(tensor.shape), dtype=dtype or tensor.dtype)


CPU = torch.device("cpu")


def _attending(record: Record) -> Callable[..., Tensor]:
    """Return a `scaled_dot_product_attention` that notes what it is asked on the fake device."""
    real = torch.nn.functional.scaled_dot_product_attention

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        *rest: Any,
        **options: Any,
    ) -> Tensor:
        if query.device.type == "cpu":
            return real(query, key, value, attn_mask, *rest, **options)
        shapes = [tuple(tensor.shape) for tensor in (query, key, value)]
        mask = None if attn_mask is None else tuple(attn_mask.shape)
        record.attentions.append(Attention(_where(), *shapes, mask, query.dtype))
        # The result of a fused kernel, whichever this build of PyTorch would choose; the sums
        # compare devices and dtypes.
        sums = query.sum() + key.sum() + value.sum()
        return query.new_empty(*query.shape[:-1], value.shape[-1]) + 0 * sums

    return attend


@contextmanager
def fake_cuda(answer: bool = True) -> Iterator[Record]:
    """Let `cuda` be a fake device; answer is what every bool read from it is."""
    record = Record()
    with ExitStack() as stack:
        # Autocast turns itself off on a machine without a GPU.
        _patch(stack, torch.cuda, "is_bf16_supported", lambda: True)
        _patch(stack, torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        # The engine of gradients asks for the device itself.
        _patch(stack, Tensor, "backward", lambda _: None)
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(_Dispatch(record, answer))
        functional = torch.nn.functional
        _patch(stack, functional, "scaled_dot_product_attention", _attending(record))
        yield record


def _patch(stack: ExitStack, module: Any, name: str, value: Any) -> None:
    stack.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)


def _where() -> str:
    """Return the innermost line of the product or, where it has none, of a test."""
    frame = sys._getframe(2)
    tests = ""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and ".venv" not in path.parts and path != Path(__file__):
            where = f"{path.relative_to(ROOT)}:{frame.f_lineno}"
            if path.relative_to(ROOT).parts[0] != "tests":
                return where
            tests = tests or where
        frame = frame.f_back
    return tests
