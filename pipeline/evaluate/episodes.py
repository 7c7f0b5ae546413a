"""Turn a fold of an index into the episodes that every method is scored on, and their manifest.

All methods, annotation formats and shots of an evaluation see the same references and targets, so
that their scores may be compared pair by pair. No pair of reference and target comes twice.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

import pyarrow as pa

from pipeline.datasets.index import DatasetIndex
from pipeline.episodes.draw import CategoryPool, Episode, EpisodePool, draw_episode, make_pool
from pipeline.episodes.folds import split
from pipeline.episodes.partly_absent import check_partly, draw_partly
from schemas.errors import BadInput
from schemas.job.episode import AnnotationFormat, EpisodeSettings
from schemas.job.evaluate import EPISODES_SCHEMA, EvaluateJob
from schemas.spec import Span


@dataclass(frozen=True)
class FoldEpisodes:
    """A fold's episodes, each with as many references as the most shots ask for."""

    number: int
    episodes: tuple[Episode, ...]
    """Those of one number are one of several categories, and of one target."""
    too_few: tuple[int, ...]
    """Categories in too few images for the references and a target."""
    share: float = 1.0
    """Of all that is asked for, what targets show: as a job says it in `thresholds.share`."""


@dataclass(frozen=True)
class Variant:
    """How the references of an episode are given: how many, and what is drawn on them."""

    shots: int
    form: AnnotationFormat
    mask_growth_px: int


def variants_of(job: EvaluateJob) -> tuple[Variant, ...]:
    """Return every way in which an episode's references are given."""
    return tuple(
        Variant(shots, form, growth_px)
        for shots in sorted(job.shots)
        for form in job.formats
        for growth_px in job.mask_growth_px
    )


def draw_fold(job: EvaluateJob, index: DatasetIndex, number: int) -> FoldEpisodes:
    """Draw a fold's distinct episodes, as many of each category as of any other.

    A category with fewer pairs of images than its share gives all it has. Raises BadInput when no
    category has enough images.
    """
    fold = split(job.protocol, number, index.commit.categories)
    of_all = fold.training if job.protocol == "all" else fold.novel
    settings = EpisodeSettings(
        formats={"mask": 1.0},
        references=Span(min=max(job.shots), max=max(job.shots)),
        negative_share=job.negative_share,
        per_epoch=1,
        min_area_px=job.min_area_px,
    )
    pool = make_pool(index, fold.training if job.classes == "base" else of_all, settings)
    enough = tuple(c for c in pool.categories if len(c.present) > max(job.shots))
    short = [c.category_id for c in pool.categories if c not in enough]
    too_few = tuple(sorted([*pool.too_few, *short]))
    if not enough:
        raise BadInput(
            "no category with enough images for an episode",
            f"fold {number} of protocol {job.protocol}",
            f"{len(too_few)} categories, each in fewer than {max(job.shots) + 1} images",
            "more images, or fewer shots",
        )
    count = job.episodes_per_fold
    if count == "all":
        # A round of one episode a category for each pair of the largest category.
        count = len(enough) * max(_pairs(category) for category in enough)
    settings = settings.model_copy(update={"per_epoch": count})
    pool = replace(pool, categories=enough, settings=settings)
    if job.absent == "partly":
        episodes, share = _partly_absent(job, pool)
    else:
        episodes = tuple(_distinct(job, pool))
        share = 1.0 if job.absent == "none" else _share_shown(episodes)
    return FoldEpisodes(number, episodes, too_few, share)


def _pairs(category: CategoryPool) -> int:
    targets = len(category.present) - 1
    return targets if category.sequence else targets * len(category.present)


def _distinct(job: EvaluateJob, pool: EpisodePool) -> Iterable[Episode]:
    seen: set[tuple[int, int, int, bool]] = set()
    before: Counter[tuple[int, bool]] = Counter()
    for number in range(pool.settings.per_epoch):
        drawn = draw_episode(pool, job.seed, 0, number)
        negative = drawn.target_object is None
        # Each kind counts its own, so that no pair comes again while another is left.
        kind = (drawn.category_id, negative)
        episode = draw_episode(pool, job.seed, 0, number, before[kind])
        before[kind] += 1
        pair = (
            episode.category_id,
            episode.references[0].object,
            episode.target_image,
            negative,
        )
        if pair not in seen:
            seen.add(pair)
            yield episode


def _partly_absent(job: EvaluateJob, pool: EpisodePool) -> tuple[tuple[Episode, ...], float]:
    """Draw distinct episodes of several categories; return also what share of all is shown."""
    check_partly(pool, job.ways)
    groups: dict[tuple[tuple[int, ...], ...], tuple[Episode, ...]] = {}
    for number in range(pool.settings.per_epoch):
        group = draw_partly(pool, job.ways, job.seed, number)
        if len(group) == job.ways:
            shown = (tuple(r.object for r in episode.references) for episode in group)
            groups.setdefault(((group[0].target_image,), *shown), group)
    if not groups:
        raise BadInput(
            "no target of which it is known for enough categories whether it shows them",
            pool.index.commit.dataset.model_dump_json(), f"ways {job.ways}", "fewer ways",
        )  # fmt: skip
    episodes = tuple(chain.from_iterable(groups.values()))
    return episodes, _share_shown(episodes)


def _share_shown(episodes: Sequence[Episode]) -> float:
    """Return the share of what is asked for that targets show.

    One more of either kind, so that nothing is sure where all are of one.
    """
    there = sum(episode.target_object is not None for episode in episodes)
    return (there + 1) / (len(episodes) + 2)


def by_number(episodes: Iterable[Episode]) -> Iterable[tuple[Episode, ...]]:
    """Yield together what is asked of one target at once; it must lie side by side."""
    for _, group in groupby(episodes, key=lambda episode: episode.number):
        yield tuple(group)


def annotation_key(job_seed: int, fold: int, episode: int, place: int) -> tuple[int | str, ...]:
    """Return the key of `model.draws.Draws` that a reference's annotation is simulated with.

    place is the reference's among all of the episode, its categories one after another.
    """
    return "annotation", job_seed, fold, episode, place


def manifest(job: EvaluateJob, index: DatasetIndex, folds: Sequence[FoldEpisodes]) -> pa.Table:
    """Return the manifest, EPISODES_SCHEMA: by fold, episode, shots, format."""
    ids = index.images["image_id"].to_pylist()
    names = {category.id: category.name for category in index.commit.categories}
    rows = []
    for fold, first, episode in _placed(folds):
        shown = [reference.object for reference in episode.references]
        images = [ids[int(index.image_of_object[row])] for row in shown]
        keys = [
            json.dumps(annotation_key(job.seed, fold, episode.number, first + place))
            for place in range(len(shown))
        ]
        for variant in variants_of(job):
            rows.append(
                {
                    "fold": fold,
                    "episode": episode.number,
                    "category_id": episode.category_id,
                    "category": names[episode.category_id],
                    "shots": variant.shots,
                    "format": variant.form,
                    "mask_growth_px": variant.mask_growth_px,
                    "references": images[: variant.shots],
                    "target": ids[episode.target_image],
                    "negative": episode.target_object is None,
                    "seed": job.seed,
                    "annotation_seeds": keys[: variant.shots],
                    "reference_rows": shown[: variant.shots],
                    "target_image": episode.target_image,
                    "target_row": episode.target_object,
                }
            )
    return pa.Table.from_pylist(rows, schema=EPISODES_SCHEMA)


def _placed(folds: Sequence[FoldEpisodes]) -> Iterator[tuple[int, int, Episode]]:
    """Yield each fold's number, the place of an episode's first reference, and the episode."""
    for fold in folds:
        for group in by_number(fold.episodes):
            first = 0
            for episode in group:
                yield fold.number, first, episode
                first += len(episode.references)


def hash_manifest(table: pa.Table, index: DatasetIndex) -> str:
    """Return the sha256 of the rows, in order, and of what they are rows of.

    Of the index only what no move of the data changes: ids, sizes, contents; not where files lie.
    """
    digest = hashlib.sha256()
    for columns in (
        index.images.select(["image_id", "height", "width", "crop_xyxy", "image_sha256"]),
        index.objects.drop_columns(["mask_uri"]),
    ):
        digest.update(json.dumps(columns.to_pydict(), sort_keys=True).encode() + b"\n")
    for row in table.to_pylist():
        digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
