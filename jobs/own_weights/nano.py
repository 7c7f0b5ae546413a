"""vrp nano: draw scenes, and train the small weights on them from nothing."""

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import BadInput
from schemas.job.method import Vrp

SCORE_SEED = 7

nano_app = typer.Typer(help="Draw scenes; train the small weights.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Holds the scenes drawn and pretrain.pt.")]


@nano_app.command()
def scenes(
    output: Annotated[Path, typer.Argument(help="A folder to write to.")],
    count: Annotated[int, typer.Option(min=1)] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    categories: Annotated[
        str, typer.Option(help="base, reserved, fold-0 … fold-3, not-fold-0 …, or names by commas.")
    ] = "base",
    size_px: Annotated[int, typer.Option(min=32)] = 256,
    shards: Annotated[bool, typer.Option(help="Write WebDataset shards, not a folder.")] = False,
) -> None:
    """Write scenes with their exact masks as a COCO file."""
    from rich.console import Console

    from pipeline.scenes.write import SceneSet, write_folder, write_shards

    chosen = SceneSet(seed, count, _named(categories), size_px)
    path = write_shards(chosen, output) if shards else write_folder(chosen, output)
    Console(highlight=False, soft_wrap=True).print(str(path), markup=False)


@nano_app.command("pretrain")
def pretrain_command(folder: Folder) -> None:
    """Train SAM and backbone side by side; run again to go on after a stop."""
    from pipeline.nano.pretrain import NanoRecipe, pretrain

    pretrain(NanoRecipe(), folder)


@nano_app.command()
def export(
    folder: Folder,
    output: Annotated[Path, typer.Argument(help="Where the .safetensors files go.")],
    commit: Annotated[str, typer.Option(help="The sources' git commit, for the card.")] = "",
    scenes_scored: Annotated[int, typer.Option(help="Unseen scenes to score SAM on.")] = 160,
) -> None:
    """Score SAM's prompts on reserved categories, and write SAM and backbone with model cards."""
    from pipeline.nano.export import Provenance, export_weights, load_pretrained
    from pipeline.nano.pretrain import NanoRecipe
    from pipeline.nano.score import score_sam
    from pipeline.scenes.categories import RESERVED

    networks, steps, hours = load_pretrained(folder / "pretrain.pt")
    metrics = score_sam(networks.sam, RESERVED, scenes_scored, seed=SCORE_SEED)
    provenance = Provenance(_machine(), commit, steps, hours)
    for path in export_weights(networks, NanoRecipe(), provenance, metrics, output):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    typer.echo(json.dumps(metrics, indent=1))


@nano_app.command()
def score(
    weights: Annotated[Path, typer.Argument(help="A folder of nano-{sam,backbone,vrp} files.")],
    categories: Annotated[
        str, typer.Option(help="As of `scenes`; seen ones flatter.")
    ] = "reserved",
    episodes: Annotated[int, typer.Option(min=1)] = 160,
    commit: Annotated[
        str,
        typer.Option(
            help="Write the figures, min_presence and this git commit of the sources into the card."
        ),
    ] = "",
) -> None:
    """Score a VRP encoder on unseen scenes: every format, 1 and 5 references, absent objects.

    Beside it stand the best thresholds of the feature pseudo-mask and of plain colour. Where the
    card has no min_presence, one is measured first, on scenes of the categories of its training.
    """
    from model.checkpoints.load import Loader
    from model.checkpoints.state_dict import read_card, rewrite_card
    from model.methods.vrp import load_vrp
    from pipeline.nano.score import recommend_presence, score_vrp
    from pipeline.scenes.categories import BASE
    from pipeline.scenes.compose import VERSION
    from schemas.job.networks import Backbone, Sam
    from schemas.record.card import VrpCard

    names = _named(categories)
    if len(names) < 2:
        raise BadInput(
            "too few categories to score on", "--categories", categories, "two or more of them"
        )
    sam, backbone, encoder = (
        weights / f"nano-{part}.safetensors" for part in ("sam", "backbone", "vrp")
    )
    card = read_card(encoder)
    if not isinstance(card, VrpCard):
        raise BadInput(
            "weights without their model card",
            str(encoder),
            "no card of a VRP encoder",
            "a file that `vrp train` wrote",
        )
    method = Vrp(
        type="vrp",
        weights=str(encoder),
        sam=Sam(type="nano", weights=str(sam)),
        backbone=Backbone(type="nano", weights=str(backbone)),
        reading=card.reading,
        queries=card.queries,
    )
    networks = load_vrp(method, Loader("cpu", "fp32"))
    least = card.min_presence
    if commit or least is None:
        seen = card.categories_seen or BASE
        least = recommend_presence(networks, seen, len(seen) * 2, seed=SCORE_SEED)
    networks = replace(networks, min_presence=least)
    figures = score_vrp(networks, names, episodes, seed=SCORE_SEED)
    if commit:
        named = {f"{categories}_{name}": value for name, value in figures.items()}
        named["scenes_version"] = VERSION
        training = card.training.model_copy(update={"machine": _machine(), "commit": commit})
        update = {"min_presence": least, "training": training, "metrics": {**card.metrics, **named}}
        rewrite_card(encoder, card.model_copy(update=update))
        _note_pseudo_mask(backbone, named)
    typer.echo(json.dumps({"min_presence": least, **figures}, indent=1))


def _note_pseudo_mask(backbone: Path, figures: dict[str, float]) -> None:
    """Write into a backbone's card what its features reach without an encoder."""
    from model.checkpoints.state_dict import read_card, rewrite_card
    from schemas.record.card import BackboneCard

    card = read_card(backbone)
    if isinstance(card, BackboneCard):
        own = {name: value for name, value in figures.items() if name.endswith("pseudo_mask")}
        rewrite_card(backbone, card.model_copy(update={"metrics": {**card.metrics, **own}}))


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}"


def _named(categories: str) -> tuple[str, ...]:
    """Return the categories meant by an option. Raises BadInput."""
    from pipeline.scenes.categories import BASE, FOLDS, RESERVED, fold_categories

    folds = {f"fold-{fold}": fold_categories(fold) for fold in range(FOLDS)}
    others = {
        f"not-{name}": tuple(category for category in BASE if category not in held)
        for name, held in folds.items()
    }
    sets = {"base": BASE, "reserved": RESERVED, **folds, **others}
    names = sets.get(categories, tuple(categories.split(",")))
    if unknown := [name for name in names if name not in (*BASE, *RESERVED)]:
        raise BadInput(
            "unknown categories of scenes",
            "--categories",
            ", ".join(unknown),
            f"one of {', '.join(sets)}, or names of: {', '.join((*BASE, *RESERVED))}",
        )
    return names
