"""Choose where a model runs and in which precision."""

import sys
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from schemas.errors import BadInput

Precision = Literal["bf16", "fp32"]

# NVIDIA's release notes: the least driver of a CUDA of this major version, on Linux.
LEAST_DRIVERS = {"12": "525.60.13", "13": "580.65.06"}
# Python's own is 5 ms: who asks a GPU waits so long for a thread that decodes.
SWITCH_S = 0.0005
DRIVER_VERSION = Path("/proc/driver/nvidia/version")


def pick_device(gpus: float) -> str:
    """Return "cuda" for a process that was given a GPU, else "cpu".

    Beside a GPU torch keeps to one thread of the CPU: it only copies there, and of many threads one
    is always behind another process (8 ms a copy on 16 busy cores, instead of 0.05).
    Raises BadInput for a GPU that torch cannot use: on the CPU the job would take 100 times longer.
    """
    if gpus <= 0:
        return "cpu"
    if torch.cuda.is_available():
        torch.set_num_threads(1)
        sys.setswitchinterval(SWITCH_S)
        return "cuda"
    raise BadInput(
        "torch cannot use the GPU that this process was given",
        "compute.gpus_per_actor, or gpus_per_worker of a training",
        f"{_driver()}, torch {torch.__version__}",
        f"{_needed()}; 0 runs on CPUs",
    )


def pick_precision(asked: Literal["auto", "bf16", "fp32"], device: str) -> Precision:
    """Return the precision asked for; `auto` is bf16 where the hardware computes in it."""
    if asked != "auto":
        return asked
    if device == "cuda":
        # A T4 emulates bf16, slower than it computes in fp32.
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if native else "fp32"
    # Without AVX512-BF16 or AMX, bf16 is emulated on the CPU and slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a call wanted more memory than there is, of the device or of the node."""
    named = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    return named or "not enough memory" in str(error)


def _driver() -> str:
    if not DRIVER_VERSION.is_file():
        return "no NVIDIA driver on this node"
    return DRIVER_VERSION.read_text().partition("\n")[0]


def _needed() -> str:
    cuda = torch.version.cuda
    if cuda is None:
        return "a torch that was built for CUDA"
    least = LEAST_DRIVERS.get(cuda.partition(".")[0])
    return f"a driver for CUDA {cuda}" + (f": {least} or newer" if least else "")


def fast_layout(x_BChw: Tensor) -> Tensor:
    """Lay maps out for convolutions by channel: channels_last on a CPU, where backward passes are
    15 times slower otherwise; contiguous on a GPU, whose own kernels want that."""
    if x_BChw.is_cuda:
        return x_BChw.contiguous()
    return x_BChw.contiguous(memory_format=torch.channels_last)
