"""vrp presence: fit what tells present objects from absent ones, and measure it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
Episodes = Annotated[int, typer.Option(min=5, help="Small jobs drawn, of scenes or of photos.")]
Seed = Annotated[int, typer.Option(min=0)]


@presence_app.command()
def fit(
    job_file: JobFile,
    to: Annotated[Path, typer.Option(help="A file of heads; this method's is put into it.")],
    photos: Photos = None,
    categories: Categories = "",
    episodes: Episodes = 100,
    seed: Seed = 1,
) -> None:
    """Fit a head for a job's method, on small jobs in which half of what is asked for is absent.

    These are drawn of scenes, and as many again of the photos of a folder.
    """
    from model.presence.head import fit_head
    from pipeline.presence.fit import Shown, examples_of
    from pipeline.presence.heads import networks_of, put_head
    from pipeline.presence.study import load_study
    from pipeline.scenes.categories import BASE

    job = _read(job_file)
    shown = Shown(BASE, _photos(photos, categories), episodes, seed)
    study = load_study(job, job.compute.gpus_named, shown.pictures)
    examples, _ = examples_of(study, shown.draw())
    head = fit_head(examples, networks_of(job.method), str(shown))
    put_head(to, head)
    typer.echo(json.dumps({"head": str(to), "pairs": len(examples.present_E)}))


@presence_app.command()
def score(
    job_file: JobFile,
    photos: Photos = None,
    categories: Categories = "",
    episodes: Episodes = 80,
    seed: Seed = 2,
) -> None:
    """Print how well a job's head does on scenes of reserved categories, or else on photos."""
    from pipeline.presence.fit import Shown, examples_of, head_figures
    from pipeline.presence.heads import head_of
    from pipeline.presence.study import load_study
    from pipeline.scenes.categories import RESERVED

    job = _read(job_file)
    head = head_of(job)
    shown = Shown(() if photos else RESERVED, _photos(photos, categories), episodes, seed)
    study = load_study(job, job.compute.gpus_named, shown.pictures)
    examples, ious = examples_of(study, shown.draw())
    figures = head_figures(head, examples, ious)
    typer.echo(json.dumps({"pictures": str(shown), **figures}, indent=1))


def _read(job_file: Path) -> LabelJob:
    from jobs.terminal.job_file import read_job
    from schemas.job.label import LabelJob

    return read_job(LabelJob, job_file, None)


def _photos(folder: Path | None, categories: str) -> PhotoFolder | None:
    from pipeline.presence.fit import PhotoFolder

    if folder is None:
        return None
    names = [name for name in categories.split(",") if name]
    asked = tuple(name for name in names if not name.startswith("-"))
    return PhotoFolder(folder, asked, tuple(n[1:] for n in names if n.startswith("-")))
