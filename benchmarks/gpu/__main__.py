"""The product's model on a GPU: JPEG in, run-length masks out; what it computes is checked first.

python -m benchmarks.gpu [--sam vit_b vit_l vit_h] [--work "5 x 1" stored "20 x 5" lite]
                         [--seconds 2] [--batch 8] [--precision bf16] [--threads 4]

A line of JSON for each SAM and kind of work (5 categories of one reference, 20 of 5, 5 from stored
embeddings; `lite` with its own weights), and for where its time goes; what the forms of attention
took; and of a row that failed, why. `peak_share` is the arithmetic of SAM's encoder (2 for each
multiply-add) at the rate found, over the card's dense bf16 peak where it is known; `idle` the share
of the time in which the device had no batch, `asking` and `waiting` those in which the thread that
has it asked it and waited for it. Without a GPU it runs on the CPU with nano networks and a few
images, to show that it runs; such figures say nothing of a GPU.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.networks import lite_study, vrp_networks
from benchmarks.gpu.pace import DIFFERENT_PHOTOS, pace
from benchmarks.gpu.stages import kernels, stages
from benchmarks.parts.figure import machine
from benchmarks.parts.vrp_job import photo, references
from model.methods.vrp import VrpNetworks, VrpSegmenter
from model.networks.attention.forms import FORM_FAULTS
from model.networks.device import Precision, pick_device, pick_precision
from model.networks.pixels import normalise, squash
from model.segmenter import PLAIN, Segmenter
from schemas.errors import VrpError
from schemas.names import SamType

# docs: the authors' sizes at 1024 x 1024; a multiply and an add are 2.
ENCODER_TFLOP = {"vit_b": 0.972, "vit_l": 2.986, "vit_h": 5.961}
# NVIDIA's data sheets: dense bf16 of the SXM cards, in TFLOP/s.
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L4": 121.0}
WORK = ("5 x 1", "stored", "20 x 5", "lite")
GOALS = {("vit_h", "5 x 1"): 70, ("vit_l", "5 x 1"): 130, ("vit_b", "5 x 1"): 300}
GOALS |= {(sam, "stored"): 1000 for sam in ENCODER_TFLOP}
# Random weights put edges anywhere, so logits are compared and not masks.
LEAST_AGREEMENT = 0.99
PHOTOS_COMPARED = 2
FAULTS = (*FORM_FAULTS, VrpError, OSError, LookupError, ArithmeticError)

Line = dict[str, Any]
Logits = list[list[np.ndarray]]


def main() -> None:
    """Print a line of JSON for each SAM and kind of work."""
    gpu = torch.cuda.is_available()
    device = pick_device(float(gpu))
    parser = argparse.ArgumentParser(description=__doc__)
    sams: list[SamType] = ["vit_b", "vit_l", "vit_h"] if gpu else ["nano"]
    parser.add_argument("--sam", nargs="*", choices=get_args(SamType), default=sams)
    parser.add_argument("--work", nargs="*", choices=WORK, default=WORK)
    parser.add_argument("--seconds", type=float, default=2.0 if gpu else 0.5, help="of each rate")
    parser.add_argument("--batch", type=int, default=8 if gpu else 2)
    parser.add_argument(
        "--precision", choices=get_args(Precision), default=pick_precision("auto", device)
    )
    parser.add_argument("--threads", type=int, default=4, help="that decode")
    parser.add_argument("--trunk", default="random:4", help="the file of lite's trunk")
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s", handlers=[JsonLines()])
    logging.getLogger("model").setLevel(logging.INFO)
    card = torch.cuda.get_device_name() if gpu else f"no GPU: {machine()}"
    say({"device": card, "torch": torch.__version__}, lambda: vars(given))
    for sam in given.sam:
        measure(sam, device, given)
    if "lite" in given.work:
        say({"sam": "lite", "work": "5 x 1"}, lambda: lite_row(device, given))


class JsonLines(logging.Handler):
    """What the product logs, such as the form of attention it chose and why, as lines of JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        print(json.dumps({"log": record.getMessage()}), flush=True)


def say(about: Line, find: Callable[[], Line]) -> None:
    """Print what was found, or why not, as a line of JSON; end where the device is broken."""
    try:
        line = find()
    except torch.AcceleratorError as error:
        print(json.dumps(about | {"error": f"AcceleratorError: {error}"}), flush=True)
        raise SystemExit(1) from error
    except FAULTS as error:
        line = {"error": f"{type(error).__name__}: {error}"[:2000]}
    print(json.dumps(about | line), flush=True)


def measure(sam: SamType, device: str, given: argparse.Namespace) -> None:
    """Check and time one SAM."""
    about: Line = {"sam": sam}
    expected: Logits = []
    say(about | {"work": "fp32 masks"}, lambda: fp32_logits(sam, device, expected))
    loaded: list[VrpNetworks] = []
    say(about | {"work": "load"}, lambda: load(sam, device, given.precision, loaded))
    for networks in loaded:
        timed = Timed(sam, networks, expected, given)
        for work in [one for one in WORK[:3] if one in given.work]:
            say(about | {"work": work}, lambda timed=timed, work=work: timed.row(work))
        say(about | {"work": "stages"}, timed.stages)
        if device == "cuda":
            say(about | {"work": "kernels"}, timed.kernels)


class Timed:
    """One SAM's networks, and what its masks' logits are in fp32."""

    def __init__(
        self, sam: SamType, networks: VrpNetworks, expected: Logits, given: argparse.Namespace
    ) -> None:
        self._sam: SamType = sam
        self._networks, self._expected = networks, expected
        self._given = given

    def row(self, work: str) -> Line:
        """Return one kind of work's rate, beside its goal, and what was checked."""
        few = work != "20 x 5"
        segmenter = VrpSegmenter(self._networks, references(*((5, 1) if few else (20, 5))))
        agreement = agreement_with(segmenter, self._expected) if few and self._expected else None
        stored = embed(self._networks) if work == "stored" else None
        given = self._given
        found = pace(segmenter, stored, given.batch, given.threads, given.seconds)
        return {
            **found.line(),
            "goal": GOALS.get((self._sam, work)),
            "peak_share": None if stored else share(self._sam, found.images_per_s),
            "agreement": agreement,
            "wrong": agreement is not None and not agreement >= LEAST_AGREEMENT,
            "gpu_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
        }

    def stages(self) -> Line:
        """Return milliseconds an image of each stage."""
        segmenter = VrpSegmenter(self._networks, references(5, 1))
        return {"ms_per_image": stages(self._networks, segmenter, self._given.batch)}

    def kernels(self) -> Line:
        """Return the GPU's longest kernels."""
        segmenter = VrpSegmenter(self._networks, references(5, 1))
        return kernels(segmenter, [photo(n) for n in range(self._given.batch)])


def fp32_logits(sam: SamType, device: str, expected: Logits) -> Line:
    """Fill expected with the logits in fp32, in segment_anything's own attention."""
    networks = vrp_networks(sam, device, "fp32", fast=False)
    segmenter = VrpSegmenter(networks, references(5, 1))
    expected.extend(logits(segmenter, photo(seed)) for seed in range(PHOTOS_COMPARED))
    return {"photos": len(expected)}


def load(sam: SamType, device: str, precision: Precision, loaded: list[VrpNetworks]) -> Line:
    """Load networks in the precision to be timed; attention is chosen, and logged."""
    start = time.perf_counter()
    loaded.append(vrp_networks(sam, device, precision, fast=True))
    return {"seconds": round(time.perf_counter() - start, 1)}


def lite_row(device: str, given: argparse.Namespace) -> Line:
    """Return the rate of the trained small networks, and their agreement with the CPU's."""
    study = lite_study(device, given.trunk)
    segmenter = study(references(5, 1), PLAIN)
    on_cpu = lite_study("cpu", given.trunk)(references(5, 1), PLAIN)
    expected = [logits(on_cpu, photo(seed)) for seed in range(PHOTOS_COMPARED)]
    agreement = agreement_with(segmenter, expected)
    found = pace(segmenter, None, given.batch, given.threads, given.seconds, trained=True)
    line: Line = {
        "trunk": given.trunk,
        **found.line(),
        "agreement": agreement,
    }
    if device == "cuda":
        line |= kernels(segmenter, [photo(n) for n in range(given.batch)])
    return line


def logits(segmenter: Segmenter, image_HW3: np.ndarray) -> list[np.ndarray]:
    """Return the logits of an image's masks."""
    (predictions,) = segmenter.segment([image_HW3])
    return [one.logits_hw for one in predictions]


def agreement_with(segmenter: Segmenter, expected: Sequence[Sequence[np.ndarray]]) -> float:
    """Return the least correlation of the masks' logits with those expected."""
    return min(
        float(np.corrcoef(got_hw.ravel(), wanted_hw.ravel())[0, 1])
        for seed, wanted in enumerate(expected)
        for got_hw, wanted_hw in zip(logits(segmenter, photo(seed)), wanted, strict=True)
    )


@torch.inference_mode()
def embed(networks: VrpNetworks) -> list[Tensor]:
    """Return the embeddings of the photos, as a store holds them: float16 in memory."""
    encoder = networks.sam.image_encoder
    queries = networks.encoder.queries
    return [
        encoder(normalise(squash(photo(n), encoder.img_size, queries.device)).to(queries.dtype))[0]
        .half()
        .cpu()
        for n in range(DIFFERENT_PHOTOS)
    ]


def share(sam: SamType, images_per_s: float) -> float | None:
    """Return SAM's arithmetic as a share of the card's peak; None where either is not known."""
    if not torch.cuda.is_available() or sam not in ENCODER_TFLOP:
        return None
    name = torch.cuda.get_device_name()
    peak = next((value for card, value in PEAKS.items() if card in name), None)
    return None if peak is None else round(ENCODER_TFLOP[sam] * images_per_s / peak, 3)


if __name__ == "__main__":
    main()
