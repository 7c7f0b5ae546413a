"""A weights file becomes the name of the network that it fits, or the keys that do not fit.

Also takes apart a checkpoint of the authors' public VRP-SAM code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from model.checkpoints.layouts import (
    authors_backbone_state,
    authors_vrp_state,
    backbone_state,
    sam_state,
)
from model.checkpoints.state_dict import StateDict, misfits, read_card, read_state_dict
from model.networks.backbone import BACKBONES, build_backbone
from model.networks.lite.sam import LiteVrp
from model.networks.sam import build_sam
from model.networks.vrp_encoder import VrpEncoder
from schemas.errors import BadWeights
from schemas.job.method import VrpReading
from schemas.names import BackboneType, SamType
from schemas.record.card import Card, VrpCard

Kind = Literal["sam", "backbone", "vrp", "authors-vrp"]


@dataclass(frozen=True)
class FileIdentity:
    """What a file is: its kind, the type, its card.

    The type of a VRP encoder is its card's backbone, without a card the backbones that it fits.
    """

    kind: Kind
    types: tuple[str, ...]
    tensors: int
    card: Card | None


@dataclass(frozen=True)
class AuthorsCheckpoint:
    """A checkpoint of the public VRP-SAM code, in our names."""

    encoder: StateDict
    backbone_type: BackboneType
    backbone: StateDict
    queries: int


def identify(path: Path) -> FileIdentity:
    """Say which network a file fits. Raises BadWeights with the misfits of the nearest."""
    state = read_state_dict(path)
    kind = _kind(state)
    with torch.device("meta"):
        match kind:
            case "sam":
                found = {
                    name: misfits(sam_state(name, state), build_sam(name))
                    for name in get_args(SamType)
                }
            case "backbone":
                found = {
                    name: misfits(backbone_state(name, state), build_backbone(name).net)
                    for name in BACKBONES
                }
            case "vrp" if _is_lite(state):
                lite = LiteVrp(queries=_first_dimension(state, "encoder.queries"))
                found = {"efficientnet_lite2": misfits(state, lite)}
            case "vrp":
                found = {
                    name: misfits(state, _encoder_for(state, size.mid_channels))
                    for name, size in BACKBONES.items()
                }
            case "authors-vrp":
                return FileIdentity(kind, (read_authors(path).backbone_type,), len(state), None)
    types = tuple(name for name, misfit in found.items() if not misfit)
    if not types:
        nearest = min(found, key=lambda name: len(found[name]))
        raise BadWeights(
            "a weights file fits no network",
            str(path),
            str(found[nearest]),
            f"one of {', '.join(found)}; {nearest} is nearest",
        )
    card = read_card(path)
    if isinstance(card, VrpCard) and card.backbone in types:
        # Backbones of equal widths take the same encoder; it was trained with one.
        types = (card.backbone,)
    return FileIdentity(kind, types, len(state), card)


def read_authors(path: Path) -> AuthorsCheckpoint:
    """Read a checkpoint of the public code, of any of its backbones. Raises BadWeights."""
    state = read_state_dict(path)
    encoder = authors_vrp_state(state)
    if "reduce.weight" not in encoder or "queries" not in encoder:
        raise BadWeights(
            "not a checkpoint of the public VRP-SAM code",
            str(path),
            f"keys such as {', '.join(list(state)[:3])}",
            "downsample_query.0.weight and its fellows",
        )
    backbone_type = _authors_backbone(state, encoder["reduce.weight"].shape[1])
    backbone = authors_backbone_state(backbone_type, state)
    with torch.device("meta"):
        parts = {
            "encoder": misfits(encoder, _encoder_for(encoder, encoder["reduce.weight"].shape[1])),
            "backbone": misfits(backbone, build_backbone(backbone_type).net),
        }
    for part, misfit in parts.items():
        if misfit:
            raise BadWeights(
                "a checkpoint of the public VRP-SAM code that cannot be imported",
                f"{path}, its {part}",
                str(misfit),
                "ResNet-50 or ResNet-101 (deep stem) or VGG-16-BN, one decoder layer",
            )
    return AuthorsCheckpoint(encoder, backbone_type, backbone, len(encoder["queries"]))


def _authors_backbone(state: StateDict, mid_channels: int) -> BackboneType:
    if mid_channels == BACKBONES["vgg16_bn"].mid_channels:
        return "vgg16_bn"
    # The third stage of a ResNet-50 ends with its sixth block, a ResNet-101's with the 23rd.
    deeper = any(".layer3.6." in f".{key}" for key in state)
    return "resnet101s" if deeper else "resnet50s"


def _kind(state: StateDict) -> Kind:
    if any(key.endswith("transformer_decoder.supp_q_feat.weight") for key in state):
        return "authors-vrp"
    if any(key.startswith(("image_encoder.", "mask_decoder.")) for key in state):
        return "sam"
    of_vrp = "reduce.weight" in state or "queries" in state or _is_lite(state)
    return "vrp" if of_vrp else "backbone"


def _is_lite(state: StateDict) -> bool:
    return any(key.startswith("similarity.") for key in state)


def _encoder_for(state: StateDict, mid_channels: int) -> VrpEncoder:
    """Build an encoder of the file's own width and number of queries."""
    # Four heads divide a width; of a file where they do not, the shapes are reported.
    width = max(4, _first_dimension(state, "merge.weight") // 4 * 4)
    return VrpEncoder(mid_channels, width, _first_dimension(state, "queries"), VrpReading())


def _first_dimension(state: StateDict, key: str) -> int:
    return state[key].shape[0] if key in state and state[key].ndim else 0
