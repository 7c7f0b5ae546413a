"""Where a batch's time goes: each stage alone, in milliseconds an image, and the GPU's kernels.

Device stages are timed to their end, one after the other, so that their sum is more than a batch
takes; `whole` is the segmenter itself.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.pace import drawn, jpeg, runs_of
from benchmarks.parts.vrp_job import photo
from model.methods.vrp import VrpNetworks, VrpSegmenter
from model.networks.backbone import backbone_maps
from model.networks.pixels import normalise, squash, upload
from model.segmenter import Segmenter
from pipeline.images.decode import decode_image
from schemas.job.compute import Limits

REPEATS = 5
KERNELS_SHOWN = 12
PROFILED_BATCHES = 3


@torch.inference_mode()
def stages(networks: VrpNetworks, segmenter: VrpSegmenter, batch: int) -> dict[str, float]:
    """Return milliseconds an image of every stage; of `decode` and `masks` in one thread."""
    encoder = networks.sam.image_encoder
    device, dtype = networks.encoder.queries.device, networks.encoder.queries.dtype
    images = [photo(n) for n in range(batch)]
    encoded = jpeg(images[0])
    uploaded = [upload(image, device) for image in images]
    inputs = _inputs(uploaded, encoder.img_size, dtype)
    (predictions,) = segmenter.segment(images[:1])
    given = list(encoder(inputs))
    todo: dict[str, Callable[[], object]] = {
        "upload": lambda: [upload(image, device) for image in images],
        "inputs": lambda: _inputs(uploaded, encoder.img_size, dtype),
        "sam encoder": lambda: encoder(inputs),
        "backbone": lambda: backbone_maps(networks.backbone, uploaded),
        "without sam encoder": lambda: segmenter.segment(images, given),
        "whole": lambda: segmenter.segment(images),
    }
    found = {name: _seconds(do, device) * 1000 / batch for name, do in todo.items()}
    found["prompts and decoder"] = (
        found["without sam encoder"] - found["backbone"] - found["upload"]
    )
    found["decode, a thread"] = _seconds(lambda: decode_image(encoded, Limits()), device) * 1000
    found["masks, a thread"] = _seconds(lambda: runs_of(drawn(predictions)), device) * 1000
    return {name: round(ms, 3) for name, ms in found.items()}


def kernels(segmenter: Segmenter, images: Sequence[np.ndarray]) -> dict[str, object]:
    """Return the share of a batch's time in which the GPU computed, and its longest kernels."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    segmenter.segment(images)
    with torch.profiler.profile(activities=activities) as profile:
        start = time.perf_counter()
        for _ in range(PROFILED_BATCHES):
            segmenter.segment(images)
        wall_us = (time.perf_counter() - start) * 1e6
    events = sorted(
        (one for one in profile.key_averages() if one.device_type.name == "CUDA"),
        key=lambda event: -event.self_device_time_total,
    )
    done = PROFILED_BATCHES * len(images)
    return {
        "gpu_busy": round(sum(event.self_device_time_total for event in events) / wall_us, 3),
        "ms_per_image": {
            event.key[:90]: round(event.self_device_time_total / 1000 / done, 3)
            for event in events[:KERNELS_SHOWN]
        },
    }


def _inputs(uploaded: Sequence[Tensor], side_px: int, dtype: torch.dtype) -> Tensor:
    device = uploaded[0].device
    return torch.cat([normalise(squash(one, side_px, device)).to(dtype) for one in uploaded])


def _seconds(do: Callable[[], object], device: torch.device) -> float:
    times = []
    for _ in range(REPEATS if device.type == "cuda" else 1):
        start = time.perf_counter()
        do()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
