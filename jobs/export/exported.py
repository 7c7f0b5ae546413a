"""What the commands of `vrp export` share: options, and how they tell what they wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.record.verdict import Reviewed

if TYPE_CHECKING:
    from pipeline.export.polygons import Loss, Outlines
    from pipeline.export.rejected import Exported

MinScore = Annotated[float, typer.Option(help="Leave out masks of a lower score.", min=0, max=1)]
Categories = Annotated[
    list[str] | None,
    typer.Option(help="Only these, by name; commas between several, or repeated."),
]
ByObject = Annotated[
    bool, typer.Option("--instances", help="A mask for each object, not for each category.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(help="Pixels that a polygon may leave its mask's outline by; 0.3.", min=0),
]
Reviews = Annotated[
    Reviewed | None,
    typer.Option(
        "--reviewed",
        help="By verdicts of vrp studio: images whose masks are all accepted; or corrected; or all "
        "images, with masks corrected and wrong ones left out.",
    ),
]
File = Annotated[str, typer.Option(help="The file to write: a path or s3://bucket/key.")]
Folder = Annotated[str, typer.Option(help="A new folder: a path or s3://bucket/prefix.")]
ImageColumn = Annotated[str, typer.Option(help="Of a Parquet source.")]
IdColumn = Annotated[str, typer.Option(help="Of a Parquet source.")]


def outlines_within(tolerance: float | None) -> Outlines:
    """Return polygons that keep within a tolerance in pixels; None: on their mask's pixels."""
    from pipeline.export.polygons import EXACT_PX, Outlines

    return Outlines(EXACT_PX if tolerance is None else tolerance)


def tell(
    exported: Exported,
    to: str,
    as_json: bool,
    *,
    loss: Loss | None = None,
    upright: bool = False,
) -> None:
    """Print what was written and left out, for people or as JSON; upright: with its images."""
    from rich.console import Console

    summary: dict[str, Any] = {
        "images": exported.images,
        "masks": exported.masks,
        "rejected": exported.rejected,
        "unsettled": exported.unsettled,
        "exif_turned": exported.turned,
        "to": to,
    }
    lines = [
        f"{exported.images} images, {exported.masks} masks",
        f"left out: {exported.rejected} rejected images, listed beside it",
    ]
    if exported.unsettled:
        lines.append(f"left out: {exported.unsettled} images that reviewers have not settled")
    if loss is not None:
        summary |= {"mean_iou": loss.mean, "least_iou": loss.least}
        lines.append(f"IoU of polygons and masks: mean {loss.mean:.4f}, least {loss.least:.4f}")
    if exported.turned and not upright:
        lines.append(
            f"warning: {exported.turned} image files are turned by their EXIF orientation; masks "
            "are as displayed. For tools that do not turn them: vrp export images"
        )
    if as_json:
        typer.echo(json.dumps(summary))
        return
    text = "\n".join([*lines, f"written: {to}"])
    Console(highlight=False).print(text, markup=False, soft_wrap=True)
