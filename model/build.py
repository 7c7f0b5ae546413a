"""A method becomes a segmenter: networks built, weights loaded or drawn, references studied."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from model.checkpoints.layouts import backbone_state
from model.checkpoints.state_dict import check_fit, load_into, read_card, read_state_dict
from model.methods.gp_sam import GpSamSegmenter
from model.methods.matcher import MatcherSegmenter
from model.methods.persam import PersamSegmenter
from model.methods.persam_f import PersamFSegmenter
from model.methods.prompted_sam import PromptedNetworks
from model.methods.vrp import VrpNetworks, VrpSegmenter
from model.networks.backbone import BACKBONES, Backbone, build_backbone
from model.networks.flat_attention import use_flat_attention
from model.networks.sam import SAM_SIZES, build_sam
from model.networks.vrp_encoder import VrpEncoder
from model.segmenter import LoadedReference, Segmenter
from schemas.card import VrpCard
from schemas.errors import BadWeights
from schemas.method import (
    BackboneType,
    GpSam,
    Matcher,
    Method,
    Persam,
    PersamF,
    SamType,
    Searching,
    Vrp,
    random_seed,
)

Precision = Literal["bf16", "fp32"]
# What to do with a file's tensors, the network they are for, and the file's name.
Put = Callable[[Mapping[str, Tensor], nn.Module, str], None]
Networks = VrpNetworks | PromptedNetworks


def build_segmenter(
    method: Method,
    references: Sequence[LoadedReference],
    device: str,
    precision: Precision,
    cache: Path | None = None,
    most_objects: int = 1,
) -> Segmenter:
    """Build a method's segmenter. Weights are local paths or `random[:SEED]`. Raises BadWeights.

    cache is a folder of what methods learn from references, shared by the processes of a node.
    most_objects: how many of a kind PerSAM, PerSAM-F and Matcher search for in an image.
    """
    networks = load_networks(method, device, precision)
    return study(method, networks, references, cache, most_objects)


def load_networks(method: Method, device: str, precision: Precision) -> Networks:
    """Load what a method computes with, whatever its references. Raises BadWeights."""
    match method:
        case Vrp():
            return load_vrp(method, device, precision)
        case GpSam() | Persam() | PersamF() | Matcher():
            return load_prompted(method, device, precision)


def study(
    method: Method,
    networks: Networks,
    references: Sequence[LoadedReference],
    cache: Path | None = None,
    most_objects: int = 1,
) -> Segmenter:
    """Return a segmenter of the references; networks are those of `load_networks`."""
    if isinstance(method, Vrp):
        assert isinstance(networks, VrpNetworks)
        return VrpSegmenter(networks, references)
    assert isinstance(networks, PromptedNetworks)
    match method:
        case GpSam():
            return GpSamSegmenter(networks, references, method)
        case Persam():
            return PersamSegmenter(networks, references, method, most_objects)
        case PersamF():
            return PersamFSegmenter(networks, references, method, cache, most_objects)
        case Matcher():
            return MatcherSegmenter(networks, references, method, most_objects)


def check_weights(method: Method) -> None:
    """Raise BadWeights unless every local weights file fits its network; needs no GPU."""
    match method:
        case Vrp():
            with torch.device("meta"):
                _build_vrp(method, check_fit)
        case GpSam() | Persam() | PersamF() | Matcher():
            with torch.device("meta"):
                _build_prompted(method, check_fit)


def load_vrp(method: Vrp, device: str, precision: Precision) -> VrpNetworks:
    """Load the networks of method `vrp`, in eval mode. Raises BadWeights.

    fp32 keeps segment_anything's operations one by one, so that its masks are SAM's own; bf16
    takes the fused forms.
    """
    networks = _build_vrp(method, load_into)
    sam = networks.sam
    if precision == "bf16":
        use_flat_attention(sam.image_encoder)
        for module in (sam.image_encoder, sam.mask_decoder, networks.backbone, networks.encoder):
            module.to(torch.bfloat16)
    for module in (sam, networks.backbone, networks.encoder):
        module.to(device)
    return networks


def load_prompted(method: Searching, device: str, precision: Precision) -> PromptedNetworks:
    """Load the networks of a method without a trained part, as `load_vrp` does its own."""
    networks = _build_prompted(method, load_into)
    sam, backbone = networks.sam, networks.backbone
    if precision == "bf16":
        use_flat_attention(sam.image_encoder)
        for module in (sam.image_encoder, sam.mask_decoder, backbone):
            if module is not None:
                module.to(torch.bfloat16)
    for module in (sam, backbone):
        if module is not None:
            module.to(device)
    return networks


def load_sam(method: Vrp, device: str, precision: Precision) -> Sam:
    """Load SAM alone, in eval mode, as `load_vrp` does; for embeddings. Raises BadWeights."""
    sam = _sam(method.sam.type, method.sam.weights, load_into)
    if precision == "bf16":
        use_flat_attention(sam.image_encoder)
        sam.image_encoder.to(torch.bfloat16)
    return sam.to(device)


def build_vrp_encoder(method: Vrp) -> VrpEncoder:
    """Build the learnable part of method `vrp` with fresh weights, sized by SAM and backbone."""
    return VrpEncoder(
        BACKBONES[method.backbone.type].mid_channels,
        SAM_SIZES[method.sam.type].prompt_width,
        method.queries,
        method.reading,
        method.query_init,
    ).eval()


def _build_vrp(method: Vrp, put: Put) -> VrpNetworks:
    sam = _sam(method.sam.type, method.sam.weights, put)
    backbone = _backbone(method.backbone.type, method.backbone.weights, put)
    drawn = random_seed(method.weights) is not None
    card = None if drawn else _fitting_card(method)
    least = method.min_presence
    if least is None and card is not None:
        least = card.min_presence
    return VrpNetworks(sam, backbone, _encoder(method, put), least)


def _build_prompted(method: Searching, put: Put) -> PromptedNetworks:
    backbone = None
    if method.backbone is not None:
        backbone = _backbone(method.backbone.type, method.backbone.weights, put)
    return PromptedNetworks(_sam(method.sam.type, method.sam.weights, put), backbone)


def _sam(sam_type: SamType, weights: str, put: Put) -> Sam:
    with _seeded(weights):
        sam = build_sam(sam_type)
    if random_seed(weights) is None:
        put(read_state_dict(Path(weights)), sam, weights)
    return sam


def _backbone(backbone_type: BackboneType, weights: str, put: Put) -> Backbone:
    with _seeded(weights):
        backbone = build_backbone(backbone_type)
    if random_seed(weights) is None:
        state = backbone_state(backbone_type, read_state_dict(Path(weights)))
        put(state, backbone.net, weights)
    return backbone


def _encoder(method: Vrp, put: Put) -> VrpEncoder:
    weights = method.weights
    with _seeded(weights):
        encoder = build_vrp_encoder(method)
    if random_seed(weights) is None:
        put(read_state_dict(Path(weights)), encoder, weights)
    return encoder


def _fitting_card(method: Vrp) -> VrpCard | None:
    """Return the encoder's card. Raises BadWeights if it names another SAM, backbone or reading."""
    card = read_card(Path(method.weights))
    if card is None:
        return None
    wanted = {
        "network": "vrp",
        "sam": method.sam.type,
        "backbone": method.backbone.type,
        "reading": method.reading.model_dump(),
        "queries": method.queries,
        "query_init": method.query_init,
    }
    got = card.model_dump()
    differing = [name for name in wanted if got.get(name) != wanted[name]]
    if differing:
        raise BadWeights(
            "VRP weights of another method",
            method.weights,
            ", ".join(f"{name} {got.get(name)}" for name in differing),
            ", ".join(f"{name} {wanted[name]}" for name in differing),
        )
    assert isinstance(card, VrpCard)  # its network is "vrp"
    return card


@contextmanager
def _seeded(weights: str) -> Iterator[None]:
    """Draw fresh weights from the seed in `random:SEED`; the caller's generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed(weights) or 0)
        yield
