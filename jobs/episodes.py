"""vrp episodes: print the episodes a number of workers would draw, and their hash."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import AsJson, Overrides
from schemas.errors import BadInput

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.datasets.index import DatasetIndex
    from pipeline.episodes.draw import Episode, EpisodePool

SHOWN = 10  # episodes of the table; enough to see what they are like


def episodes(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    fold: Annotated[int, typer.Option(help="0 to 3; 0 for the protocol `all`.")] = 0,
    epoch: Annotated[int, typer.Option(min=0)] = 0,
    share: Annotated[str, typer.Option(help="WORKER/WORKERS: 0/4 is the first of four.")] = "0/1",
    as_json: AsJson = False,
) -> None:
    """Draw one epoch of a fold's training episodes, print the first, and hash them all.

    Builds the dataset's index when there is none. With --json every episode is printed. Exit codes:
    0 done, 2 wrong input, 1 anything else.
    """
    from rich.console import Console

    from jobs.terminal.job_file import read_job
    from pipeline.datasets.index import open_index
    from pipeline.episodes.draw import describe, draw_episode, held_out, make_pool, share_of
    from pipeline.episodes.folds import split
    from schemas.job.episode import EpisodeJob

    worker, workers = _parse_share(share)
    job = read_job(EpisodeJob, job_file, overrides)
    index = open_index(job.dataset, job.index, job.storage)
    training = split(job.protocol, fold, index.commit.categories).training
    pool = make_pool(index, training, job.episodes, ~held_out(index, job.held_out))
    numbers = share_of(0, job.episodes.per_epoch, worker, workers)
    drawn = [draw_episode(pool, job.seed, epoch, number) for number in numbers]
    summary = _summary(pool, drawn)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    console.print(_table(index, drawn[:SHOWN]))
    for key, value in summary.items():
        console.print(f"{key}: {value}", markup=False)
    if summary["problems"]:
        console.print(f"each problem: {job.index}/problems.parquet", markup=False)
    if as_json:
        described = [describe(episode, index) for episode in drawn]
        typer.echo(json.dumps({**summary, "drawn": described}))


def _parse_share(text: str) -> tuple[int, int]:
    matched = re.fullmatch(r"(\d+)/(\d+)", text)
    if matched is None or int(matched[1]) >= int(matched[2]):
        raise BadInput(
            "a share that does not exist", "--share", text, "WORKER/WORKERS, such as 0/4 to 3/4"
        )
    return int(matched[1]), int(matched[2])


def _summary(pool: EpisodePool, drawn: Sequence[Episode]) -> dict[str, object]:
    from pipeline.episodes.draw import hash_episodes

    commit = pool.index.commit
    names = {category.id: category.name for category in commit.categories}
    per_category = Counter(names[episode.category_id] for episode in drawn)
    return {
        "images": commit.images,
        "objects": commit.objects,
        "problems": dict(Counter(pool.index.problems["reason"].to_pylist())),
        "categories": {names[c.category_id]: len(c.present) for c in pool.categories},
        "too_few_images": [names[number] for number in pool.too_few],
        "episodes": len(drawn),
        "distinct": len({_content(episode) for episode in drawn}),
        "distinct_pairs": len({_pair(episode) for episode in drawn}),
        "negatives": sum(episode.target_object is None for episode in drawn),
        "fewest_and_most_per_category": [
            min((per_category[names[c.category_id]] for c in pool.categories), default=0),
            max(per_category.values(), default=0),
        ],
        "sha256": hash_episodes(drawn),
    }


def _content(episode: Episode) -> tuple[object, ...]:
    return episode.category_id, episode.references, episode.target_image


def _pair(episode: Episode) -> tuple[int, int, int]:
    return episode.category_id, episode.references[0].object, episode.target_image


def _table(index: DatasetIndex, drawn: Sequence[Episode]) -> Table:
    from rich.table import Table

    from pipeline.episodes.draw import describe

    table = Table("number", "category", "references", "target")
    for episode in drawn:
        row = describe(episode, index)
        references = ", ".join(f"{r['image']} ({r['format']})" for r in row["references"])
        target = f"{row['target']}{' (absent)' if row['negative'] else ''}"
        table.add_row(str(episode.number), row["category"], references, target)
    return table
