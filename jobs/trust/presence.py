"""vrp presence: fit what tells present objects from absent ones, and measure it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pipeline.presence.fit import PhotoFolder
    from schemas.job.label import LabelJob

presence_app = typer.Typer(
    help="Fit what tells present objects from absent ones, and measure it.", no_args_is_help=True
)

JobFile = Annotated[
    Path, typer.Argument(metavar="JOB.yaml", help="A labeling job: its method is what counts.")
]
Photos = Annotated[Path | None, typer.Option(help="A folder of <category>/<id>.jpg with <id>.png.")]
Categories = Annotated[
    str,
    typer.Option(
        help="Of the photos, by commas: those to look for, all without any; and after a minus "
        "those whose photos are not to be used, as in car,boat,-dog."
    ),
]
Unmarked = Annotated[
    Path | None,
    typer.Option(
        help='A JSON file, {"<category>/<id>": ["<category>", ...]}, of what photos may show '
        "without a mask: it does not count as absent there."
    ),
]
Episodes = Annotated[int, typer.Option(min=5, help="Small jobs drawn, of scenes or of photos.")]
SceneKind = Literal["base", "reserved", "none"]
FIT_SEED, SCORE_SEED = 1, 2
"""Other scenes and episodes are drawn to score a head than to fit it."""


@presence_app.command()
def fit(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    job_file: JobFile,
    to: Annotated[Path, typer.Option(help="A file of heads; this method's is put into it.")],
    photos: Photos = None,
    categories: Categories = "",
    unmarked: Unmarked = None,
    scenes: Annotated[
        SceneKind,
        typer.Option(help="Of base categories; reserved: of those `lite` never saw; or none."),
    ] = "base",
    episodes: Episodes = 100,
) -> None:
    """Fit a head for a job's method, on small jobs in which half of what is asked for is absent.

    These are drawn of scenes, and as many again of the photos of a folder. Fit on categories that
    the method was not trained on: it is too sure of what it knows. Printed is how well episodes
    are told by a fit without them.
    """
    from model.presence.head import fit_head, odds_without_own
    from pipeline.presence.fit import Shown, examples_of, figures_of
    from pipeline.presence.heads import networks_of, put_head
    from pipeline.presence.study import load_study
    from pipeline.scenes.categories import BASE, RESERVED

    job = _read(job_file)
    drawn = {"base": BASE, "reserved": RESERVED, "none": ()}[scenes]
    shown = Shown(drawn, _photos(photos, categories, unmarked), episodes, FIT_SEED)
    study = load_study(job, job.compute.gpus_named, shown.pictures)
    examples, ious = examples_of(study, shown.draw())
    head = fit_head(examples, networks_of(job.method), str(shown))
    put_head(to, head)
    figures = figures_of(odds_without_own(examples), examples, ious)
    typer.echo(json.dumps({"head": str(to), "pictures": str(shown), **figures}, indent=1))


@presence_app.command()
def score(
    job_file: JobFile,
    photos: Photos = None,
    categories: Categories = "",
    unmarked: Unmarked = None,
    episodes: Episodes = 80,
    seed: Annotated[int, typer.Option(min=0)] = SCORE_SEED,
) -> None:
    """Print how well a job's head does on scenes of reserved categories, or else on photos."""
    from pipeline.presence.fit import Shown, examples_of, head_figures
    from pipeline.presence.heads import head_of
    from pipeline.presence.study import load_study
    from pipeline.scenes.categories import RESERVED

    job = _read(job_file)
    head = head_of(job)
    drawn = () if photos else RESERVED
    shown = Shown(drawn, _photos(photos, categories, unmarked), episodes, seed)
    study = load_study(job, job.compute.gpus_named, shown.pictures)
    examples, ious = examples_of(study, shown.draw())
    figures = head_figures(head, examples, ious)
    typer.echo(json.dumps({"pictures": str(shown), **figures}, indent=1))


def _read(job_file: Path) -> LabelJob:
    from jobs.terminal.job_file import read_job
    from schemas.job.label import LabelJob

    return read_job(LabelJob, job_file, None)


def _photos(folder: Path | None, categories: str, unmarked: Path | None) -> PhotoFolder | None:
    from pipeline.presence.fit import PhotoFolder

    if folder is None:
        return None
    names = [name for name in categories.split(",") if name]
    asked = tuple(name for name in names if not name.startswith("-"))
    left_out = tuple(name[1:] for name in names if name.startswith("-"))
    return PhotoFolder(folder, asked, left_out, unmarked)
