"""The trunk's published head and a folder of photos become the weights of `Kinds`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from model.checkpoints.state_dict import save_weights
from model.networks.lite.kinds import CHANNELS, DIRECTIONS, KNOWN, Kinds
from model.networks.lite.trunk import INPUT_PX, head_state, package_state, published_trunk
from model.networks.pixels import normalise, squash
from pipeline.lite.feed import garments
from pipeline.lite.photos import Photo
from schemas.errors import BadInput
from schemas.record.card import BackboneCard, Training

NORM_EPS = 1e-3
"""Of timm's `tf_` networks."""


@torch.inference_mode()
def learn_kinds(photos: Sequence[Photo]) -> Kinds:
    """Fold the published head, and read KNOWN objects of photos, evenly chosen, clothes aside.

    They give the mean that is taken off, and are the known objects. Raises BadInput: too few.
    """
    left_out = garments(photos)
    objects = [(p, category) for p in photos for category in sorted(p.masks.keys() - left_out)]
    if len(objects) < KNOWN:
        raise BadInput(
            "too few objects to compare with", "the photos", str(len(objects)), f"{KNOWN} at least"
        )
    published = head_state(package_state())
    kinds = Kinds().eval()
    norm = [published[f"bn2.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    mean, variance, gain, bias = norm
    weight, shift = fuse_conv_bn_weights(
        published["conv_head.weight"], None, mean, variance, NORM_EPS, gain, bias
    )
    kinds.head.weight.copy_(weight)
    assert kinds.head.bias is not None, "Kinds gives its head one"
    kinds.head.bias.copy_(shift)
    # The greatest principal directions keep the logits' cosines.
    left, strength, _ = torch.linalg.svd(published["classifier.weight"].T, full_matrices=False)
    directions_KC = (left[:, :DIRECTIONS] * strength[:DIRECTIONS]).T
    chosen = np.linspace(0, len(objects) - 1, KNOWN).round().astype(int)
    mean_C, known_NC = _seen(kinds, [objects[int(k)] for k in chosen])
    kinds.project.weight.copy_(directions_KC)
    kinds.project.bias.copy_(-directions_KC @ mean_C)
    kinds.known_NK.copy_(F.normalize(kinds.project(known_NC), dim=1))
    return kinds


def export_kinds(photos: Sequence[Photo], output: Path, described: Training) -> None:
    """Write the weights of `learn_kinds` in float16, with a card."""
    card = BackboneCard(network="backbone", type="efficientnet_lite2", training=described)
    state = learn_kinds(photos).state_dict()
    save_weights({name: value.half() for name, value in state.items()}, output, card)


def _seen(kinds: Kinds, objects: Sequence[tuple[Photo, str]]) -> tuple[Tensor, Tensor]:
    """Return the mean cell of the objects' images, [CHANNELS], and the objects, [N, CHANNELS]."""
    trunk = published_trunk()
    total_C, known = torch.zeros(CHANNELS), []
    for photo, category in objects:
        image = squash(np.asarray(photo.open()), INPUT_PX, torch.device("cpu"))
        high_1Chw = trunk(normalise(image)).high_BChw
        cells_SC = kinds.channels(high_1Chw)[0]
        mask_11HW = torch.from_numpy(photo.mask(category))[None, None].float()
        share_S = F.adaptive_avg_pool2d(mask_11HW, high_1Chw.shape[-2:]).flatten()
        known.append(share_S @ cells_SC / share_S.sum())
        total_C += cells_SC.mean(dim=0)
    return total_C / len(objects), torch.stack(known)
