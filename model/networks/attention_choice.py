"""An encoder on its device becomes the forms in which its attentions are fastest there.

In float32 on a CPU nothing is measured: "rows" gives segment_anything's masks pixel for pixel and
is several times faster than its own. Everywhere else the forms are timed once in a process, on
random numbers of the encoder's sizes, each after its result was compared with the original's.
"""

import logging
import math
import statistics
import time
from functools import cache
from typing import cast

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Attention
from torch import Tensor, nn

from model.networks.attention_forms import Form, Inputs, attend
from model.networks.flat_attention import Forms, use_forms

_LOG = logging.getLogger(__name__)
REPEATS = 3
# Of the greatest value: bf16 keeps 8 bits, and sums of thousands of terms lose some of them.
TOLERANCE = {torch.bfloat16: 0.05, torch.float16: 0.01, torch.float32: 1e-4}
# No kernel, no memory, no compiler; and what compilers raise besides, of a form they do not take.
FORM_FAULTS = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, ImportError)
CPU_FORMS: tuple[Form, ...] = ("bias", "rows", "padded")
GPU_FORMS: tuple[Form, ...] = ("padded", "flex", "bias", "original")


def use_fast_attention(encoder: nn.Module) -> Forms | None:
    """Let a frozen encoder, already on its device and in its precision, use its fastest forms.

    An encoder of another kind than segment_anything's keeps its own attention.
    """
    if not isinstance(encoder, ImageEncoderViT):
        return None
    forms = fastest_forms(encoder)
    use_forms(encoder, forms)
    return forms


def fastest_forms(encoder: ImageEncoderViT) -> Forms:
    """Return the forms to use for an encoder where it is."""
    weight = cast(Attention, encoder.blocks[0].attn).qkv.weight
    if weight.device.type == "cpu" and weight.dtype == torch.float32:
        return Forms("rows", "rows")
    chosen: dict[bool, Form] = {}
    for block in encoder.blocks:
        attention = cast(Attention, block.attn)
        whole = bool(block.window_size == 0)
        if whole not in chosen:
            side = (len(attention.rel_pos_h) + 1) // 2
            C = attention.rel_pos_h.shape[1]
            # An image's windows are one call; of a whole image one head is enough on a CPU.
            windows = 1 if whole else math.ceil(_grid(encoder) / side) ** 2
            heads = 1 if whole and weight.device.type == "cpu" else attention.num_heads
            shape = (windows, heads, side, C)
            chosen[whole] = _fastest(str(weight.device), weight.dtype, shape)
    return Forms(chosen.get(True, "rows"), chosen.get(False, "rows"))


def _grid(encoder: ImageEncoderViT) -> int:
    position_1hwC = encoder.pos_embed
    assert position_1hwC is not None, "SAM's encoders have one"
    return position_1hwC.shape[1]


@cache
def _fastest(device: str, dtype: torch.dtype, shape: tuple[int, int, int, int]) -> Form:
    """Return the fastest form whose result is the original's; shape is [B, n, side, C]."""
    forms = CPU_FORMS if torch.device(device).type == "cpu" else GPU_FORMS
    inputs = _random_inputs(torch.device(device), dtype, shape)
    *parts, scale = inputs
    expected = attend("original", Inputs(*(part.float() for part in parts), scale=scale))
    seconds: dict[Form, float] = {}
    for form in forms:
        taken = _seconds(form, inputs, expected)
        if taken is not None:
            seconds[form] = taken
    if not seconds:
        raise ValueError(f"no form of attention computes {shape} in {dtype} on {device}")
    if inputs.q_BnSC.device.type == "cuda":
        torch.cuda.empty_cache()  # the original's scores: gigabytes
    best = min(seconds, key=lambda form: seconds[form])
    shown = ", ".join(f"{form} {1000 * s:.1f} ms" for form, s in seconds.items())
    _LOG.info("attention %s in %s on %s: %s of %s", shape, dtype, device, best, shown)
    return best


@torch.inference_mode()
def _seconds(form: Form, inputs: Inputs, expected: Tensor) -> float | None:
    """Return the median time of a form, None where it cannot run or gives another result."""
    try:
        got = attend(form, inputs).float()
    except torch.AcceleratorError:
        raise  # the device is broken, whatever runs next
    except FORM_FAULTS as error:
        _LOG.info("attention form %s cannot run here: %s", form, error)
        return None
    error = float((got - expected).abs().max() / expected.abs().max())
    if not error <= TOLERANCE[inputs.q_BnSC.dtype]:
        _LOG.warning("attention form %s differs from the original by %.2g; not used", form, error)
        return None
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        attend(form, inputs)
        _wait(inputs.q_BnSC.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _random_inputs(
    device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int, int]
) -> Inputs:
    B, n, side, C = shape
    generator = torch.Generator().manual_seed(0)
    sizes = ([C] * 3) + ([side] * 2)
    drawn = [
        torch.randn(B, n, side**2, size, generator=generator).to(device, dtype) for size in sizes
    ]
    return Inputs(*drawn, scale=C**-0.5)
