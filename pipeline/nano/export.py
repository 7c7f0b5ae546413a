"""A pretraining checkpoint becomes two weights files, each with its model card inside."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.checkpoints.state_dict import save_weights
from pipeline.nano.pretrain import NanoNetworks, NanoRecipe
from pipeline.scenes.categories import BASE
from pipeline.scenes.compose import VERSION
from pipeline.scenes.groups import SCENES
from schemas.errors import BadWeights
from schemas.record.card import BackboneCard, SamCard, Training


@dataclass(frozen=True)
class Provenance:
    """Where and from which sources a training ran."""

    machine: str
    commit: str
    steps: int
    hours: float


def load_pretrained(checkpoint: Path) -> tuple[NanoNetworks, int, float]:
    """Return the averaged networks of pretrain.pt, its step and its hours. Raises BadWeights."""
    if not checkpoint.is_file():
        raise BadWeights(
            "a pretraining that has not begun", str(checkpoint), "no such file", "a pretrain.pt"
        )
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    networks = NanoNetworks().eval()
    networks.load_state_dict(saved["average"])
    return networks, saved["step"], saved["seconds"] / 3600


def export_weights(
    networks: NanoNetworks,
    recipe: NanoRecipe,
    provenance: Provenance,
    metrics: dict[str, float],
    folder: Path,
) -> list[Path]:
    """Write nano-sam and nano-backbone .safetensors in float16; return their paths."""
    training = Training(
        data=f"procedural scenes (version {VERSION}) of {len(BASE)} base categories, "
        f"seed {recipe.seed}: "
        f"{recipe.groups_at(provenance.steps)} groups of {SCENES} scenes of 256 px",
        recipe={
            **asdict(recipe),
            "stages": json.dumps([asdict(stage) for stage in recipe.stages]),
            "steps_done": provenance.steps,
        },
        seed=recipe.seed,
        hours=round(provenance.hours, 2),
        machine=provenance.machine,
        commit=provenance.commit,
    )
    folder.mkdir(parents=True, exist_ok=True)
    cards = {
        "nano-sam": (
            networks.sam.state_dict(),
            SamCard(network="sam", type="nano", training=training, metrics=metrics),
        ),
        "nano-backbone": (
            networks.backbone.net.state_dict(),
            BackboneCard(network="backbone", type="nano", training=training, categories_seen=BASE),
        ),
    }
    paths = []
    for name, (state, card) in cards.items():
        path = folder / f"{name}.safetensors"
        save_weights({key: _half(value) for key, value in state.items()}, path, card)
        paths.append(path)
    return paths


def _half(value: Tensor) -> Tensor:
    """Halve the file: rounding weights to 11 bits moves no figure (see the card's metrics)."""
    return value.half() if value.is_floating_point() else value
