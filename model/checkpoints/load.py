"""Weights become networks on one device and in one precision; the same ones asked for twice, one.

Weights are local paths, or `random[:SEED]`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from segment_anything.modeling import Sam as SamNetwork
from torch import Tensor, nn

from model.checkpoints.layouts import backbone_state, sam_state
from model.checkpoints.state_dict import load_into, read_state_dict
from model.networks.attention.choice import use_fast_attention
from model.networks.backbone import Backbone as BackboneNetwork
from model.networks.backbone import ConvBackbone, build_backbone, fold_norms
from model.networks.device import Precision
from model.networks.lite.kinds import Kinds
from model.networks.lite.sam import LiteVrp
from model.networks.lite.trunk import LiteTrunk, fold
from model.networks.sam import build_sam
from schemas.job.compute import Attention
from schemas.job.networks import Backbone, Sam
from schemas.job.weights import random_seed

Put = Callable[[Mapping[str, Tensor], nn.Module, str], None]
"""What to do with a file's tensors, the network they are for, and the file's name."""

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class Loader:
    """Builds networks in eval mode and fills them; put may check files instead. Raises BadWeights.

    In fp32 on a CPU SAM's masks are its own, pixel for pixel. Elsewhere attention takes the form
    that is fastest there, unless it is to stay segment_anything's (`original`), and in bf16 norms
    are folded into convolutions.
    """

    def __init__(
        self,
        device: str,
        precision: Precision,
        put: Put = load_into,
        attention: Attention = "auto",
    ) -> None:
        self._device = device
        self._precision: Precision = precision
        self._put = put
        self._attention: Attention = attention
        self._sams: dict[Sam, SamNetwork] = {}
        self._backbones: dict[Backbone, BackboneNetwork] = {}

    def sam(self, spec: Sam) -> SamNetwork:
        """Return SAM. Its prompt encoder stays in float32: see `networks.sam.dense_position`."""
        if spec not in self._sams:
            trunk = None if spec.trunk is None else self.backbone(spec.trunk)
            assert trunk is None or isinstance(trunk, LiteTrunk), "a spec allows no other"
            with _seeded(spec.weights):
                sam = build_sam(spec.type, trunk)
            if random_seed(spec.weights) is None:
                state = sam_state(spec.type, read_state_dict(Path(spec.weights)))
                self._put(state, sam, spec.weights)
            parts = () if spec.type == "lite" else (sam.image_encoder, sam.mask_decoder)
            if self._precision == "bf16":
                for part in parts:
                    fold_norms(part)
            self._sams[spec] = self._placed(sam, *parts)
            if self._attention == "auto" and self._device != "meta":
                use_fast_attention(sam.image_encoder)
        return self._sams[spec]

    def backbone(self, spec: Backbone) -> BackboneNetwork:
        """Return a backbone; a file may have any layout that `backbone_state` knows."""
        if spec not in self._backbones:
            with _seeded(spec.weights):
                backbone = build_backbone(spec.type)
            if random_seed(spec.weights) is None:
                state = backbone_state(spec.type, read_state_dict(Path(spec.weights)))
                self._put(state, backbone.net, spec.weights)
            if isinstance(backbone, LiteTrunk):
                fold(backbone)
            elif self._precision == "bf16":
                fold_norms(backbone)
                if isinstance(backbone, ConvBackbone):
                    # What kernels for 16 bits want, and what compares cells.
                    backbone.to(memory_format=torch.channels_last)
            self._backbones[spec] = self._placed(backbone, backbone)
        return self._backbones[spec]

    def trained(self, build: Callable[[], NetworkT], weights: str) -> NetworkT:
        """Return a method's own network: what `build` gives, filled from its weights."""
        with _seeded(weights):
            network = build()
        if random_seed(weights) is None:
            self._put(read_state_dict(Path(weights)), network, weights)
        return self._placed(network, network)

    def image_encoders(self) -> Iterator[nn.Module]:
        """Yield the encoder of every SAM and every backbone that was asked for."""
        yield from (sam.image_encoder for sam in self._sams.values())
        yield from self._backbones.values()

    def _placed(self, network: NetworkT, *computing: nn.Module) -> NetworkT:
        """Move a network to the device, and what computes in it to the precision.

        The small networks stay in float32: bf16 gains them nothing on a CPU, and rounds the cosines
        that they compare.
        """
        if self._precision == "bf16":
            for part in computing:
                if not isinstance(part, LiteTrunk | LiteVrp | Kinds):
                    part.to(torch.bfloat16)
        return network.to(self._device)


@contextmanager
def _seeded(weights: str) -> Iterator[None]:
    """Draw fresh weights from the seed in `random:SEED`; the caller's generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed(weights) or 0)
        yield
