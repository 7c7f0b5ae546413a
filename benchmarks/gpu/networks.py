"""The networks that a GPU is measured with: SAM in its sizes with random weights, and `lite`."""

from pathlib import Path
from typing import cast

import torch
from segment_anything.modeling.image_encoder import Attention

from model.build import LoadedMethod, load_method
from model.checkpoints.load import Loader
from model.checkpoints.state_dict import read_card
from model.methods.vrp import VrpNetworks, load_vrp
from model.networks.attention.choice import use_fast_attention
from model.networks.device import Precision
from pipeline.weights.catalogue import CATALOGUE
from schemas.job.method import Vrp
from schemas.job.networks import Backbone, Sam
from schemas.names import SamType
from schemas.record.card import VrpCard


def spec(sam: SamType) -> Vrp:
    """Return the method: ResNet-50 beside a SAM of full size, nano beside nano."""
    backbone = "nano" if sam == "nano" else "resnet50"
    return Vrp(
        type="vrp",
        weights="random:1",
        sam=Sam(type=sam, weights="random:2"),
        backbone=Backbone(type=backbone, weights="random:3"),
    )


def vrp_networks(sam: SamType, device: str, precision: Precision, *, fast: bool) -> VrpNetworks:
    """Load a SAM's networks; fast: as `use_fast_attention` makes it, else segment_anything's.

    Random weights of segment_anything have no position scores: they are drawn here.
    """
    networks = load_vrp(spec(sam), Loader(device, precision, attention="original"))
    encoder = networks.sam.image_encoder
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in encoder.blocks:
            attention = cast(Attention, block.attn)
            for table in (attention.rel_pos_h, attention.rel_pos_w):
                drawn = torch.randn(table.shape, generator=generator) * 0.05
                table.copy_(drawn)
    if fast:
        use_fast_attention(encoder)
    return networks


def lite_study(device: str, trunk: str) -> LoadedMethod:
    """Load `{type: vrp, weights: lite-vrp}` over a trunk's weights."""
    vrp, sam = CATALOGUE["lite-vrp"].address, CATALOGUE["lite-sam"].address
    card = read_card(Path(vrp))
    assert isinstance(card, VrpCard), "ours carry one"
    network = Backbone(type="efficientnet_lite2", weights=trunk)
    method = Vrp(
        type="vrp",
        weights=vrp,
        sam=Sam(type="lite", weights=sam, trunk=network),
        backbone=network,
        reading=card.reading,
        queries=card.queries,
    )
    return load_method(method, Loader(device, "fp32"))
