"""vrp lite scenes: draw scenes with their true masks, as a folder or as shards."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import BadInput


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
