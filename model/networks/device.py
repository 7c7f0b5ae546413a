"""Choose where a model runs and in which precision."""

from typing import Literal

import torch

Precision = Literal["bf16", "fp32"]


def pick_device(gpus: float) -> str:
    """Return "cuda" when the process was given a GPU it can see, else "cpu"."""
    return "cuda" if gpus > 0 and torch.cuda.is_available() else "cpu"


def pick_precision(asked: Literal["auto", "bf16", "fp32"], device: str) -> Precision:
    """Return the precision asked for; `auto` is bf16 where the hardware computes in it."""
    if asked != "auto":
        return asked
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # Without AVX512-BF16 or AMX, bf16 is emulated on the CPU and slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"
