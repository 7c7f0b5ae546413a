"""vrp lite: train the small networks for photos from a folder of pairs, score and export them."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.own_weights.scenes import scenes
from schemas.errors import BadInput

if TYPE_CHECKING:
    from pipeline.lite.photos import Photo
    from pipeline.lite.weights import Trained

lite_app = typer.Typer(help="Train the small networks for photos.", no_args_is_help=True)
lite_app.command()(scenes)

HELD_OUT = "dog,horse,sofa,dining_table,potted_plant"

Folder = Annotated[Path, typer.Argument(help="Holds lite.pt and progress.jsonl.")]
Photos = Annotated[
    Path, typer.Option(help="A folder of <category>/<id>.jpg with <id>.png, maybe manifest.json.")
]
HeldOut = Annotated[
    str,
    typer.Option(help="Categories by commas to score by, never trained on; may be empty."),
]


@lite_app.command()
def train(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    folder: Folder,
    photos: Photos,
    held_out: HeldOut = HELD_OUT,
    steps: Annotated[int | None, typer.Option(min=1, help="Left out: the recipe's.")] = None,
    targets: Annotated[int | None, typer.Option(min=1, help="A step's; left out: 8.")] = None,
    start: Annotated[
        Literal["nothing", "lite", "lite-whole"],
        typer.Option(
            help="lite: adapt this package's VRP encoder to your photos; SAM stays. "
            "lite-whole: go on with all of this package's weights."
        ),
    ] = "nothing",
    cutouts: Annotated[
        Path | None,
        typer.Option(
            help="A folder of <category>/<name>.png with transparency, of other categories than "
            "the photos': pasted into them."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    processes: Annotated[int, typer.Option(min=1, help="That draw pictures beside.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 1,
) -> None:
    """Train neck, mask decoder and VRP encoder on the frozen trunk; run again to go on.

    With `--start lite` the VRP encoder alone, from the weights of this package, in fewer steps.
    """
    from model.networks.lite.trunk import published_trunk
    from pipeline.lite.photos import Material, begun_with, origin_of, read_cutouts
    from pipeline.lite.train import ADAPTING, CONTINUING, Hardware, LiteRecipe, Start, train_lite
    from pipeline.lite.weights import published_state

    training, _ = _divided(photos, held_out)
    material = Material(training, read_cutouts(cutouts) if cutouts else {})
    recipe = {"nothing": LiteRecipe(), "lite": ADAPTING, "lite-whole": CONTINUING}[start]
    recipe = replace(
        recipe, steps=steps or recipe.steps, targets=targets or recipe.targets, seed=seed
    )
    origin = origin_of(training, _names(held_out))
    begun = begun_with(material.cutouts, start, seed)
    begin = Start({**origin, **begun}, None if start == "nothing" else published_state())
    train_lite(recipe, material, published_trunk(), folder, Hardware(device, processes), begin)


@lite_app.command()
def score(
    folder: Folder,
    photos: Photos,
    held_out: HeldOut = HELD_OUT,
    targets: Annotated[int, typer.Option(min=1, help="Of each category, at most.")] = 40,
) -> None:
    """Print what the checkpoint reaches on held-out photos and on scenes' reserved categories."""
    training, validation = _divided(photos, held_out)
    trained = _trained(folder / "lite.pt", training, held_out)
    typer.echo(json.dumps(_figures(trained, validation, held_out, targets), indent=1))


@lite_app.command()
def export(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    folder: Folder,
    output: Annotated[Path, typer.Argument(help="Where the .safetensors files go.")],
    photos: Photos,
    held_out: HeldOut = HELD_OUT,
    commit: Annotated[str, typer.Option(help="The sources' git commit, for the card.")] = "",
    targets: Annotated[int, typer.Option(min=1, help="Of each category, at most.")] = 120,
    also: Annotated[str, typer.Option(help="What else it learned from, for the card.")] = "",
    mix: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of this package's weights in what is written."),
    ] = 0,
) -> None:
    """Score the checkpoint, and write SAM and the VRP encoder with their model cards."""
    from pipeline.lite.weights import Provenance, export_weights, mix_in_published

    training, validation = _divided(photos, held_out)
    trained = _trained(folder / "lite.pt", training, held_out)
    mix_in_published(trained.networks, mix)
    figures = _figures(trained, validation, held_out, targets)
    data = "; ".join(filter(None, [_described(training, _names(held_out)), also]))
    provenance = Provenance(data, _machine(), commit, trained.steps, trained.hours)
    for path in export_weights(trained.networks, trained.recipe, provenance, figures, output):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    typer.echo(json.dumps(figures, indent=1))


@lite_app.command()
def kinds(
    output: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    photos: Photos,
    held_out: HeldOut = HELD_OUT,
    commit: Annotated[str, typer.Option(help="The sources' git commit, for the card.")] = "",
) -> None:
    """Write what presence tells kinds of things apart by: the trunk's head, and photos to compare.

    Nothing is trained: the photos give a mean, and objects that others are compared with.
    """
    from pipeline.lite.kinds import export_kinds
    from schemas.record.card import Training

    training, _ = _divided(photos, held_out)
    data = _described(training, _names(held_out))
    export_kinds(training, output, Training(data=data, machine=_machine(), commit=commit))
    typer.echo(f"{output}  {output.stat().st_size / 1e6:.1f} MB")


def _trained(checkpoint: Path, training: list[Photo], held_out: str) -> Trained:
    """Read a checkpoint that was trained on these photos, and never on what is held out."""
    from pipeline.lite.photos import check_origin, origin_of
    from pipeline.lite.weights import load_trained

    trained = load_trained(checkpoint)
    check_origin(trained.origin, origin_of(training, _names(held_out)), str(checkpoint))
    if trained.origin is None:
        typer.echo(
            f"{checkpoint} is of an earlier version and does not say what it was trained on: "
            "that it never saw what is held out is for you to know",
            err=True,
        )
    return trained


def _figures(
    trained: Trained, validation: list[Photo], held_out: str, targets: int
) -> dict[str, dict[str, float]]:
    """Choose the masks' offset on the held-out photos, and score with it; without any, neither."""
    if not validation:
        return {"sam": {}, "vrp": {}}
    from model.networks.lite.trunk import published_trunk
    from pipeline.lite.score import choose_offset, score_photos, score_scenes
    from pipeline.lite.shown import pick, show_photos, show_scenes

    trunk = published_trunk()
    shown = show_photos(trunk, validation, _names(held_out))
    choose_offset(trained.networks, shown, pick(shown, targets))
    figures = score_photos(trained.networks, shown, targets)
    figures["vrp"] |= score_scenes(trained.networks, show_scenes(trunk), targets)
    return figures


def _names(held_out: str) -> list[str]:
    return held_out.split(",") if held_out else []


def _divided(folder: Path, held_out: str) -> tuple[list[Photo], list[Photo]]:
    from pipeline.lite.photos import hold_out, read_photos

    photos = read_photos(folder)
    categories = {name for photo in photos for name in photo.masks}
    apart = _names(held_out)
    unknown = sorted(set(apart) - categories)
    if unknown:
        raise BadInput(
            "categories to hold out that no photo shows",
            str(folder),
            ", ".join(unknown),
            f"some of: {', '.join(sorted(categories)) or 'no <category>/<id>.png at all'}",
        )
    alone = [c for c in apart if len({photo.group for photo in photos if c in photo.masks}) == 1]
    if alone:
        raise BadInput(
            "categories to hold out that one photo, or one group of them, shows",
            str(folder),
            ", ".join(alone),
            "two at least: what is scored is asked for by another",
        )
    training, validation = hold_out(photos, apart)
    if not training:
        raise BadInput(
            "no photo to train on",
            str(folder),
            f"{len(photos)} photos, {len(validation)} of them held out",
            "<category>/<id>.jpg with <id>.png, of other categories than those held out",
        )
    return training, validation


def _described(photos: list[Photo], held_out: list[str]) -> str:
    pairs: dict[str, int] = {}
    for photo in photos:
        pairs[photo.source] = pairs.get(photo.source, 0) + len(photo.masks)
    sources = ", ".join(f"{name} {count}" for name, count in sorted(pairs.items()))
    without = f", without {', '.join(held_out)}" if held_out else ""
    return (
        f"{sum(pairs.values())} pairs of {len(photos)} photos by source ({sources})"
        f"{without}; cut-outs of them pasted into each other; procedural scenes"
    )


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} CPUs"
