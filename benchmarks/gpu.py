"""The product's model on a GPU: JPEG in, run-length masks out; what it computes is checked first.

python -m benchmarks.gpu [--sam vit_b vit_l vit_h] [--images 512] [--batch 8] [--precision bf16]

Each SAM is asked for 5 categories of one reference, for 20 of 5, and for 5 from stored embeddings.
Decoding, the model and encoding overlap as in a labeling actor. `peak share` is the arithmetic of
SAM's encoder (2 for each multiply-add) at the rate found, over the card's dense bf16 peak where it
is known; `idle` the share of the time in which the model had no batch. Without a GPU it runs on the
CPU with nano networks and a few images, to show that it runs; such figures say nothing of a GPU.
"""

import argparse
import io
import itertools
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.figure import machine
from benchmarks.vrp_job import SIZE_HW, photo, references
from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.methods.vrp import VrpNetworks, VrpSegmenter, load_vrp
from model.networks.device import Precision, pick_precision
from model.networks.pixels import normalise, squash
from pipeline.images.decode import decode_image
from pipeline.masks.runs import encode_rle
from schemas.job.compute import Limits
from schemas.job.method import Vrp
from schemas.job.networks import Backbone, Sam
from schemas.names import SamType

# docs: the authors' sizes at 1024 x 1024; a multiply and an add are 2.
ENCODER_TFLOP = {"vit_b": 0.972, "vit_l": 2.986, "vit_h": 5.961}
# NVIDIA's data sheets: dense bf16 of the SXM cards, in TFLOP/s.
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L4": 121.0}
GOALS = {("vit_h", "5 x 1"): 70, ("vit_l", "5 x 1"): 130, ("vit_b", "5 x 1"): 300}
GOALS |= {(sam, "stored"): 1000 for sam in ENCODER_TFLOP}
# Random weights put edges anywhere, so logits are compared and not masks.
LEAST_AGREEMENT = 0.99
DIFFERENT_PHOTOS = 16


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    sam: str
    work: str
    images_per_s: float
    goal: float | None
    peak_share: float | None
    idle: float
    agreement: float | None
    """The least correlation of a mask's logits with those of fp32; None where not compared."""


def main() -> None:
    """Print a line of JSON for each SAM and kind of work."""
    gpu = torch.cuda.is_available()
    device = "cuda" if gpu else "cpu"
    parser = argparse.ArgumentParser(description=__doc__)
    sams: list[SamType] = ["vit_b", "vit_l", "vit_h"] if gpu else ["nano"]
    parser.add_argument("--sam", nargs="+", choices=get_args(SamType), default=sams)
    parser.add_argument("--images", type=int, default=512 if gpu else 4)
    parser.add_argument("--batch", type=int, default=8 if gpu else 2)
    parser.add_argument(
        "--precision", choices=get_args(Precision), default=pick_precision("auto", device)
    )
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    card = torch.cuda.get_device_name() if gpu else f"no GPU: {machine()}"
    print(json.dumps({"device": card, "torch": torch.__version__, "batch": given.batch}))
    for sam in given.sam:
        for row in rows(sam, device, given):
            print(json.dumps(asdict(row)), flush=True)


def rows(sam: SamType, device: str, given: argparse.Namespace) -> list[Row]:
    """Check and time one SAM."""
    exact = load_vrp(spec(sam), Loader(device, "fp32"))
    few = VrpSegmenter(exact, references(5, 1))
    images = [photo(seed) for seed in range(2)]
    expected = [logits(few, image) for image in images]
    del few, exact
    networks = load_vrp(spec(sam), Loader(device, given.precision))
    found = []
    for work, categories, each in (("5 x 1", 5, 1), ("20 x 5", 20, 5), ("stored", 5, 1)):
        segmenter = VrpSegmenter(networks, references(categories, each))
        stored = embed(networks, device) if work == "stored" else None
        agreement = agreement_of(segmenter, images, expected) if categories == 5 else None
        if agreement is not None and not agreement >= LEAST_AGREEMENT:
            print(json.dumps({"sam": sam, "work": work, "wrong": f"agreement {agreement:.3f}"}))
        rate, idle = pace(segmenter, stored, given)
        found.append(
            Row(sam, work, rate, GOALS.get((sam, work)), share(sam, rate), idle, agreement)
        )
    return found


def spec(sam: SamType) -> Vrp:
    """Return the method: ResNet-50 beside a SAM of full size, nano beside nano."""
    backbone = "nano" if sam == "nano" else "resnet50"
    return Vrp(
        type="vrp",
        weights="random:1",
        sam=Sam(type=sam, weights="random:2"),
        backbone=Backbone(type=backbone, weights="random:3"),
    )


def logits(segmenter: VrpSegmenter, image_HW3: np.ndarray) -> list[np.ndarray]:
    """Return the logits of an image's masks."""
    (predictions,) = segmenter.segment([image_HW3])
    return [one.logits_hw for one in predictions]


def agreement_of(
    segmenter: VrpSegmenter, images: Sequence[np.ndarray], expected: Sequence[list[np.ndarray]]
) -> float:
    """Return the least correlation of the masks' logits with those expected."""
    return min(
        float(np.corrcoef(got_hw.ravel(), wanted_hw.ravel())[0, 1])
        for image, wanted in zip(images, expected, strict=True)
        for got_hw, wanted_hw in zip(logits(segmenter, image), wanted, strict=True)
    )


@torch.inference_mode()
def embed(networks: VrpNetworks, device: str) -> list[Tensor]:
    """Return the embeddings of the photos, as a store holds them: float16 in memory."""
    encoder = networks.sam.image_encoder
    dtype = networks.encoder.queries.dtype
    return [
        encoder(normalise(squash(photo(n), encoder.img_size, torch.device(device))).to(dtype))[0]
        .half()
        .cpu()
        for n in range(DIFFERENT_PHOTOS)
    ]


def pace(
    segmenter: VrpSegmenter, stored: list[Tensor] | None, given: argparse.Namespace
) -> tuple[float, float]:
    """Return images a second, and the share of the time in which the model had no batch."""
    photos = [jpeg(photo(n)) for n in range(DIFFERENT_PHOTOS)]
    numbers = [n % DIFFERENT_PHOTOS for n in range(given.images)]
    batches = [numbers[i : i + given.batch] for i in range(0, len(numbers), given.batch)]
    busy = 0.0
    with ThreadPoolExecutor(given.threads) as decoders, ThreadPoolExecutor(2) as encoders:
        for warm in (True, False):
            begun, busy, encoding = time.perf_counter(), 0.0, []
            todo = batches[:2] if warm else batches
            ahead = [
                [decoders.submit(decode_image, photos[n], Limits()) for n in batch]
                for batch in todo[:2]
            ]
            for place, batch in enumerate(todo):
                images = [future.result().pixels_HW3 for future in ahead[place]]
                if place + 2 < len(todo):
                    ahead.append(
                        [
                            decoders.submit(decode_image, photos[n], Limits())
                            for n in todo[place + 2]
                        ]
                    )
                start = time.perf_counter()
                given_embeddings = [stored[n] for n in batch] if stored else None
                predictions = segmenter.segment(images, given_embeddings)
                busy += time.perf_counter() - start
                encoding += [
                    encoders.submit(lambda one: encode_rle(mask_at(one, SIZE_HW, 0.0)), one)
                    for one in itertools.chain.from_iterable(predictions)
                ]
            for future in encoding:
                future.result()
            seconds = time.perf_counter() - begun
    return len(numbers) / seconds, 1 - busy / seconds


def jpeg(image_HW3: np.ndarray) -> bytes:
    """Return an image as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def share(sam: SamType, images_per_s: float) -> float | None:
    """Return SAM's arithmetic as a share of the card's peak; None where either is not known."""
    if not torch.cuda.is_available() or sam not in ENCODER_TFLOP:
        return None
    name = torch.cuda.get_device_name()
    peak = next((value for card, value in PEAKS.items() if card in name), None)
    return None if peak is None else ENCODER_TFLOP[sam] * images_per_s / peak


if __name__ == "__main__":
    main()
