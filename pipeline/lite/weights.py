"""A checkpoint's running mean becomes two weights files, each with its model card inside."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.checkpoints.state_dict import read_state_dict, save_weights
from model.networks.lite.sam import QUERIES
from model.networks.lite.trunk import published_trunk
from model.training.lite import LiteNetworks
from pipeline.lite.photos import Origin
from pipeline.lite.train import LiteRecipe
from pipeline.weights.catalogue import CATALOGUE
from schemas.errors import BadWeights
from schemas.job.method import VrpReading
from schemas.record.card import SamCard, Training, VrpCard


@dataclass(frozen=True)
class Provenance:
    """Where and from what a training ran."""

    data: str
    machine: str
    commit: str
    steps: int
    hours: float


@dataclass(frozen=True)
class Trained:
    """A checkpoint's averaged networks, and how far they came."""

    networks: LiteNetworks
    steps: int
    hours: float
    recipe: LiteRecipe
    origin: Origin | None
    """None where an earlier version wrote the checkpoint."""


def load_trained(checkpoint: Path) -> Trained:
    """Read lite.pt, onto the trunk as it is published. Raises BadWeights."""
    if not checkpoint.is_file():
        raise BadWeights(
            "a training that has not begun", str(checkpoint), "no such file", "lite.pt"
        )
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    networks = LiteNetworks(published_trunk())
    networks.load_state_dict(saved["average"], strict=False)
    networks.eval().requires_grad_(False)
    hours = saved["seconds"] / 3600
    recipe = LiteRecipe(**saved["recipe"])
    return Trained(networks, saved["step"], hours, recipe, saved.get("origin"))


def published_state() -> dict[str, Tensor]:
    """Return the weights that come with this package, as `LiteNetworks` names them."""
    state = {}
    for part in ("sam", "vrp"):
        tensors = read_state_dict(Path(CATALOGUE[f"lite-{part}"].address))
        state |= {f"{part}.{name}": value.float() for name, value in tensors.items()}
    return state


@torch.no_grad()
def mix_in_published(networks: LiteNetworks, share: float) -> None:
    """Move what learned towards this package's own weights, by a share of the way.

    The mean of two states of one training does better on what neither saw than either.
    """
    published = published_state()
    for name, value in networks.learned().items():
        if value.is_floating_point():
            value.lerp_(published[name], share)


def export_weights(
    networks: LiteNetworks,
    recipe: LiteRecipe,
    provenance: Provenance,
    figures: dict[str, dict[str, float]],
    folder: Path,
) -> list[Path]:
    """Write lite-sam and lite-vrp .safetensors in float16, without the trunk; return their paths.

    figures are the cards' metrics by file ("sam", "vrp"); vrp's `min_presence` is the card's.
    """
    training = Training(
        data=provenance.data,
        recipe={**asdict(recipe), "steps_done": provenance.steps},
        seed=recipe.seed,
        hours=round(provenance.hours, 2),
        machine=provenance.machine,
        commit=provenance.commit,
    )
    vrp_figures = dict(figures["vrp"])
    least = vrp_figures.pop("min_presence", None)
    cards = {
        "lite-sam": (
            _without_trunk(networks.sam.state_dict()),
            SamCard(network="sam", type="lite", training=training, metrics=figures["sam"]),
        ),
        "lite-vrp": (
            networks.vrp.state_dict(),
            VrpCard(
                network="vrp",
                sam="lite",
                backbone="efficientnet_lite2",
                reading=VrpReading(),
                queries=QUERIES,
                label_types=("point", "scribble", "box", "mask"),
                min_presence=least,
                training=training,
                metrics=vrp_figures,
            ),
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (state, card) in cards.items():
        path = folder / f"{name}.safetensors"
        partial = path.with_suffix(".part")
        save_weights({key: _half(value) for key, value in state.items()}, partial, card)
        partial.rename(path)
        paths.append(path)
    return paths


def _without_trunk(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if ".trunk." not in key}


def _half(value: Tensor) -> Tensor:
    """Halve the file: rounding weights to 11 bits moves no figure (see the card's metrics)."""
    return value.half() if value.is_floating_point() else value
