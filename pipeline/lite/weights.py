"""A checkpoint's running mean becomes weights files, each with its model card inside."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from model.checkpoints.load import Loader
from model.checkpoints.state_dict import read_state_dict, save_weights
from model.networks.device import pick_precision
from model.networks.lite.other_sam import OtherSam
from model.networks.lite.similarity import LIKENESSES
from model.networks.lite.trunk import LiteTrunk
from model.networks.lite.vrp import QUERIES
from model.training.lite import LiteNetworks
from pipeline.lite.recipe import LITE_SAM, LiteRecipe
from pipeline.weights.catalogue import CATALOGUE
from pipeline.weights.fetch import localise
from schemas.errors import BadInput, BadWeights
from schemas.job.networks import LEARNED, VrpReading
from schemas.job.networks import Sam as SamSpec
from schemas.job.storage import Storage
from schemas.names import SamType
from schemas.record.card import SamCard, Training, VrpCard

SMALL = 0.3
"""Of fresh weights that read what those beside them do not know."""


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
    other: OtherSam | None
    steps: int
    hours: float
    recipe: LiteRecipe


def load_trained(checkpoint: Path, trunk: LiteTrunk) -> Trained:
    """Read lite.pt, and the SAM that it is for where that is not `lite`. Raises BadWeights."""
    if not checkpoint.is_file():
        raise BadWeights(
            "a training that has not begun", str(checkpoint), "no such file", "lite.pt"
        )
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    recipe = LiteRecipe(**saved["recipe"])
    other = other_sam(recipe.prompts, "cpu")
    networks = LiteNetworks(trunk, other)
    networks.load_state_dict(saved["average"], strict=False)
    networks.eval().requires_grad_(False)
    return Trained(networks, other, saved["step"], saved["seconds"] / 3600, recipe)


def other_sam(name: str, device: str) -> OtherSam | None:
    """Load a published SAM, frozen, in the device's best precision; None for `lite`.

    Raises BadInput of a name that is no SAM's, BadWeights, BadStorage.
    """
    if name == LITE_SAM:
        return None
    published = CATALOGUE.get(name)
    if published is None or published.kind != "sam":
        known = [one for one, what in CATALOGUE.items() if what.kind == "sam"]
        raise BadInput("no SAM", "--sam", name, f"one of {', '.join(known)}")
    spec = SamSpec(type=cast(SamType, published.type), weights=str(localise(name, Storage())))
    loader = Loader(device, pick_precision("auto", device))
    return OtherSam(loader.sam(spec))


def vrp_of(sam: str) -> str:
    """Return what a SAM's VRP encoder is called: `mobile-vrp` of mobile_sam."""
    return f"{sam.removeprefix('sam_').removesuffix('_sam').removesuffix('-sam')}-vrp"


def published_state(sam: str = LITE_SAM) -> dict[str, Tensor]:
    """Return a SAM's weights of this package, as `LiteNetworks.learned` names them."""
    parts = {"vrp": vrp_of(sam)} | ({"sam": sam} if sam == LITE_SAM else {})
    state = {}
    for part, name in parts.items():
        tensors = read_state_dict(Path(CATALOGUE[name].address))
        state |= {f"{part}.{key}": value.float() for key, value in tensors.items()}
    return state


def starting_state(networks: LiteNetworks, sam: str, start: str) -> dict[str, Tensor] | None:
    """Return what a training for a SAM begins with; None: with the fresh weights it has.

    From `nothing` another SAM's encoder begins with what `lite`'s knows of likeness. Raises
    BadInput where the SAM has no encoder to start from.
    """
    if start == "nothing":
        return None if networks.is_lite else likeness_of_lite(networks)
    if vrp_of(sam) not in CATALOGUE:
        raise BadInput("no VRP encoder of this package", "--start", f"{start} of {sam}", "nothing")
    return published_state(sam)


@torch.no_grad()
def likeness_of_lite(networks: LiteNetworks) -> dict[str, Tensor]:
    """Return fresh weights of networks for another SAM, but for what `lite`'s know of likeness.

    What reads the SAM's embedding begins small, beside what reads the trunk.
    """
    state = {key: value.clone() for key, value in networks.learned().items()}
    known = published_state()
    for key, value in state.items():
        if not key.startswith("vrp.similarity.") or ".dense." in key:
            continue
        if value.shape == known[key].shape:
            value.copy_(known[key])
        elif key.endswith("metric.weight"):
            value.mul_(SMALL)[:, : known[key].shape[1]] = known[key]
        else:
            # Likenesses of both depths, of the embedding, of the learned metric.
            depths = known[key].shape[1] - LIKENESSES
            value.mul_(SMALL)[:, :depths] = known[key][:, :depths]
            value[:, -LIKENESSES:] = known[key][:, -LIKENESSES:]
    return state


@torch.no_grad()
def mix_in_published(networks: LiteNetworks, sam: str, share: float) -> None:
    """Move what learned towards this package's own weights, by a share of the way.

    The mean of two states of one training does better on what neither saw than either.
    """
    if not share:
        return
    published = published_state(sam)
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
    """Write lite-sam and lite-vrp .safetensors in float16; return their paths.

    Of another SAM the VRP encoder alone. figures are the cards' metrics by file ("sam", "vrp");
    vrp's `min_presence` is the card's.
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
    made: dict[str, tuple[dict[str, Tensor], SamCard | VrpCard]] = {}
    if networks.is_lite:
        sam_card = SamCard(network="sam", type="lite", training=training, metrics=figures["sam"])
        made[LITE_SAM] = networks.sam.state_dict(), sam_card
    made[vrp_of(recipe.prompts)] = (
        networks.vrp.state_dict(),
        VrpCard(
            network="vrp",
            sam=cast(SamType, CATALOGUE[recipe.prompts].type),
            backbone="efficientnet_lite2",
            reading=VrpReading() if networks.is_lite else LEARNED,
            queries=QUERIES,
            label_types=("point", "scribble", "box", "mask"),
            min_presence=least,
            training=training,
            metrics=vrp_figures,
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (state, card) in made.items():
        path = folder / f"{name}.safetensors"
        partial = path.with_suffix(".part")
        save_weights({key: _half(value) for key, value in state.items()}, partial, card)
        partial.rename(path)
        paths.append(path)
    return paths


def _half(value: Tensor) -> Tensor:
    """Halve the file: rounding weights to 11 bits moves no figure (see the card's metrics)."""
    return value.half() if value.is_floating_point() else value
