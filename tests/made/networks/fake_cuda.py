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
ROOT = Path(__file__).parents[3]
CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
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
    waits: Counter[str] = field(default_factory=Counter)
    """Copies to the CPU, and events, that Python waits for."""
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
        for counter in (self.to_host, self.waits, self.values, self.to_device, self.host_indices):
            counter.clear()
        self.softmaxes.clear()
        self.attentions.clear()


class _Dispatch(TorchDispatchMode):
    """Compute on the CPU for real, and on the fake device by `FakeTensorMode`."""

    def __init__(self, record: Record, answer: bool, fakes: FakeTensorMode) -> None:
        super().__init__()
        self._record = record
        self._memo = fakes.fake_tensor_converter.tensor_memo
        self._answer = answer
        self._answers: dict[Any, Callable[..., Any]] = {
            aten._local_scalar_dense.default: self._read,
            aten.equal.default: self._read,
            aten.is_nonzero.default: self._read,
            aten._to_copy.default: self._download,
            aten.nonzero.default: self._nonzero,
            aten._unique2.default: self._unique,
            aten._linalg_check_errors.default: self._check,
            aten.index.Tensor: self._index,
            aten.index_put.default: self._index,
            aten.index_put_.default: self._index,
            aten._softmax.default: self._softmax,
            aten._safe_softmax.default: self._softmax,
        }

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = dict(kwargs or {})
        name = func.name()
        # Attributes of a fake tensor come as "prim"; inference mode hands composites over whole.
        if func.namespace != "prim" and torch._C._dispatch_has_kernel_for_dispatch_key(
            name, "CompositeImplicitAutograd"
        ):
            with self:
                return func.decompose(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        fake = any(isinstance(tensor, FakeTensor) for tensor in tensors)
        asked = kwargs.get("device")
        if func is aten._pin_memory.default:
            result = args[0]
        elif fake:
            answer = self._answers.get(func)
            result = NotImplemented if answer is None else answer(func, args, kwargs)
            if result is NotImplemented:
                result = func(*args, **kwargs)
        elif asked is None or torch.device(asked).type != "cuda":
            with unset_fake_temporarily():
                result = func(*args, **kwargs)
        elif tensors:
            result = self._upload(tensors[0], kwargs)
        else:
            result = func(*args, **kwargs)
        # Weak references, of which a parameter that changes its dtype may have none.
        self._memo.clear()
        return result

    def _upload(self, tensor: Tensor, kwargs: Mapping[str, Any]) -> Tensor:
        if tensor.device.type == "cpu":
            self._record.to_device[_where()] += 1
        dtype = kwargs.get("dtype") or tensor.dtype
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype, device=CUDA)

    def _read(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Answer a value that Python reads: the device would finish its work first."""
        del kwargs
        self._record.values[_where()] += 1
        dtype = args[0].dtype
        if func is not aten._local_scalar_dense.default or dtype == torch.bool:
            return self._answer
        return 1.0 if dtype.is_floating_point else 0

    def _download(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        del func
        if torch.device(kwargs.get("device") or CUDA) != CPU:
            return NotImplemented
        self._record.to_host[_where()] += 1
        if not kwargs.get("non_blocking"):
            self._record.waits[_where()] += 1
        with unset_fake_temporarily():
            return torch.ones(tuple(args[0].shape), dtype=kwargs.get("dtype") or args[0].dtype)

    def _nonzero(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        del func, kwargs
        self._record.values[_where()] += 1
        return torch.empty(ROWS, args[0].ndim, dtype=torch.int64, device=CUDA)

    def _unique(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        del func, kwargs
        self._record.values[_where()] += 1
        rows = torch.empty(ROWS, dtype=torch.int64, device=CUDA)
        return rows.to(args[0].dtype), rows, rows

    def _check(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Let Python read whether matrices had an inverse."""
        del func, args, kwargs
        self._record.values[_where()] += 1

    def _softmax(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        del func, args, kwargs
        self._record.softmaxes[_where()] += 1
        return NotImplemented

    def _index(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        del kwargs
        indices: list[Tensor | None] = []
        for index in args[1]:
            moved = index
            if index is not None and index.device == CPU:
                self._record.host_indices[_where()] += 1
                moved = torch.empty(index.shape, dtype=index.dtype, device=CUDA)
            if moved is not None and moved.dtype == torch.bool:
                self._record.values[_where()] += 1
                indices += [torch.empty(ROWS, dtype=torch.int64, device=CUDA)] * moved.ndim
            else:
                indices.append(moved)
        return func(args[0], indices, *args[2:])


class _Stream:
    """The device's, whose events are waited for."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def record_event(self) -> "_Stream":
        return self

    def synchronize(self) -> None:
        self._record.waits[_where()] += 1


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
        mask = None if attn_mask is None else tuple(attn_mask.shape)
        q, k, v = tuple(query.shape), tuple(key.shape), tuple(value.shape)
        record.attentions.append(Attention(_where(), q, k, v, mask, query.dtype))
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
        _patch(stack, torch.cuda, "current_stream", lambda *_: _Stream(record))
        # The engine of gradients asks for the device itself.
        _patch(stack, Tensor, "backward", lambda _: None)
        fakes = stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(_Dispatch(record, answer, fakes))
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
