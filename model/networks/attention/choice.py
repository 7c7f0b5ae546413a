"""An encoder on its device becomes the forms in which its attentions are fastest there.

In float32 on a CPU nothing is measured: "rows" gives segment_anything's masks pixel for pixel and
is several times faster than its own. Everywhere else the forms are timed once in a process, on
random numbers of the encoder's sizes, each after its result was compared with the original's.
"""

import logging
import statistics
import time
from collections.abc import Sequence
from functools import cache
from typing import cast

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Attention
from torch import Tensor, nn

from model.networks.attention.flat import (
    Forms,
    Projected,
    attend_grid,
    look_up,
    use_fast_patches,
    use_forms,
)
from model.networks.attention.forms import FORM_FAULTS, Form
from model.networks.compiled import Compiled

_LOG = logging.getLogger(__name__)
REPEATS = 3
# Of the greatest value: bf16 keeps 8 bits, and sums of thousands of terms lose some of them.
TOLERANCE = {torch.bfloat16: 0.05, torch.float16: 0.01, torch.float32: 1e-4}
CPU_FORMS: tuple[Form, ...] = ("bias", "rows", "padded")
GPU_FORMS: tuple[Form, ...] = ("tiles", "padded", "bias", "original")


def use_fast_attention(encoder: nn.Module) -> Forms | None:
    """Let a frozen encoder, already on its device and in its precision, use its fastest forms.

    On a GPU patches are cut out by a matrix product, and blocks are compiled. An encoder of another
    kind than segment_anything's keeps its own attention.
    """
    if not isinstance(encoder, ImageEncoderViT):
        return None
    forms = fastest_forms(encoder)
    use_forms(encoder, forms)
    if _weight(encoder).is_cuda:
        use_fast_patches(encoder)
        for block in encoder.blocks:
            block.forward = Compiled(block.forward)
    return forms


def _weight(encoder: ImageEncoderViT) -> Tensor:
    """Return one of its weights, which all are on one device and in one precision."""
    return cast(Attention, encoder.blocks[0].attn).qkv.weight


def fastest_forms(encoder: ImageEncoderViT) -> Forms:
    """Return the forms to use for an encoder where it is."""
    weight = _weight(encoder)
    if weight.device.type == "cpu" and weight.dtype == torch.float32:
        return Forms("rows", "rows")
    chosen: dict[bool, Form] = {}
    for block in encoder.blocks:
        attention = cast(Attention, block.attn)
        whole = bool(block.window_size == 0)
        if whole not in chosen:
            side = (len(attention.rel_pos_h) + 1) // 2
            C = attention.rel_pos_h.shape[1]
            # Of a whole image one head is enough on a CPU.
            heads = 1 if whole and weight.device.type == "cpu" else attention.num_heads
            grid = side if whole else _grid(encoder)
            shape = (grid, 0 if whole else side, heads, C)
            chosen[whole] = _fastest(str(weight.device), weight.dtype, shape)
    return Forms(chosen.get(True, "rows"), chosen.get(False, "rows"))


def _grid(encoder: ImageEncoderViT) -> int:
    position_1hwC = encoder.pos_embed
    assert position_1hwC is not None, "SAM's encoders have one"
    return position_1hwC.shape[1]


@cache
def _fastest(device: str, dtype: torch.dtype, shape: tuple[int, int, int, int]) -> Form:
    """Return the fastest form whose result is the original's.

    shape is [side of the grid, window, n, C], of one image.
    """
    forms = CPU_FORMS if torch.device(device).type == "cpu" else GPU_FORMS
    drawn = _random(torch.device(device), dtype, shape)
    inputs = _projected(drawn, shape)
    expected = attend_grid("original", _projected([one.float() for one in drawn], shape))
    seconds: dict[Form, float] = {}
    for form in forms:
        taken = _seconds(form, inputs, expected)
        if taken is not None:
            seconds[form] = taken
    if not seconds:
        raise ValueError(f"no form of attention computes {shape} in {dtype} on {device}")
    if inputs.qkv_BhwC.is_cuda:
        torch.cuda.empty_cache()  # the original's scores: gigabytes
    best = min(seconds, key=lambda form: seconds[form])
    shown = ", ".join(f"{form} {1000 * s:.1f} ms" for form, s in seconds.items())
    _LOG.info("attention %s in %s on %s: %s of %s", shape, dtype, device, best, shown)
    return best


@torch.inference_mode()
def _seconds(form: Form, inputs: Projected, expected: Tensor) -> float | None:
    """Return the median time of a form, None where it cannot run or gives another result."""
    try:
        got = attend_grid(form, inputs).float()
    except torch.AcceleratorError:
        raise  # the device is broken, whatever runs next
    except FORM_FAULTS as error:
        _LOG.info("attention form %s cannot run here: %s", form, error)
        return None
    error = float((got - expected).abs().max() / expected.abs().max())
    if not error <= TOLERANCE[inputs.qkv_BhwC.dtype]:
        _LOG.warning("attention form %s differs from the original by %.2g; not used", form, error)
        return None
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        attend_grid(form, inputs)
        _wait(inputs.qkv_BhwC.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _random(
    device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int, int]
) -> list[Tensor]:
    """Draw a projection, its bias, and tables whose position scores are as large as the others."""
    grid, window, n, C = shape
    generator = torch.Generator().manual_seed(0)
    positions = 2 * (window or grid) - 1
    sizes = ((1, grid, grid, 3 * n * C), (3 * n * C,), (positions, C), (positions, C))
    drawn = [torch.randn(size, generator=generator).to(device, dtype) for size in sizes]
    return [*drawn[:2], *(table * C**-0.5 for table in drawn[2:])]


def _projected(drawn: Sequence[Tensor], shape: tuple[int, int, int, int]) -> Projected:
    qkv_BhwC, bias_C, of_rows, of_columns = drawn
    tables = of_rows, of_columns
    return Projected(qkv_BhwC, bias_C, tables, look_up(tables), shape[2], shape[1])
