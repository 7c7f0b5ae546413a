"""Turn a number into an episode: references and a target of one category, drawn from an index.

An episode depends on the index, the settings, the seed, the epoch and its number, and on nothing
else: not on how many workers there are, or on which of them asks.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from model.draws import Draws, shuffled
from pipeline.datasets.index import DatasetIndex
from schemas.errors import BadInput
from schemas.job.episode import AnnotationFormat, EpisodeSettings


@dataclass(frozen=True)
class EpisodeReference:
    """A row of the index's objects, and how its annotation is simulated."""

    object: int
    form: AnnotationFormat


@dataclass(frozen=True)
class Episode:
    """Rows of an index; a target without an object is a negative: its true mask is empty."""

    seed: int
    epoch: int
    number: int
    category_id: int
    references: tuple[EpisodeReference, ...]
    target_image: int
    target_object: int | None


@dataclass(frozen=True)
class CategoryPool:
    """Where one category is shown large enough, and where it is absent."""

    category_id: int
    present: np.ndarray  # rows of objects, one per image; in a sequence the reference is the first
    absent: np.ndarray  # rows of images
    sequence: bool = False  # of a video, or a set whose first image is its reference


@dataclass(frozen=True)
class EpisodePool:
    """What episodes are drawn from; `too_few`: ids of categories in fewer than two images."""

    index: DatasetIndex
    settings: EpisodeSettings
    categories: tuple[CategoryPool, ...]
    too_few: tuple[int, ...]


def make_pool(
    index: DatasetIndex,
    category_ids: Sequence[int],
    settings: EpisodeSettings,
    kept_images: np.ndarray | None = None,
) -> EpisodePool:
    """Gather the categories' images; kept_images, bool [images], leaves some out.

    Raises BadInput when no category is in two images, when negatives are wanted of a dataset
    that does not say what is absent, or several references of one whose first image is it.
    """
    ordered = index.images["sequence"].null_count < len(index.images)
    if ordered and settings.references.max > 1:
        raise BadInput(
            "several references of a data set of sequences",
            index.commit.dataset.model_dump_json(),
            f"up to {settings.references.max} references",
            "one: a sequence's first image",
        )
    kept = np.ones(len(index.images), bool) if kept_images is None else kept_images
    areas_px = index.objects["area_px"].to_numpy()
    large = kept[index.image_of_object] & (areas_px >= settings.min_area_px)
    pools, too_few = [], []
    for category_id in category_ids:
        of_category = index.category_of_object == category_id
        present = np.flatnonzero(of_category & large)
        if ordered:
            # The first image is the reference however small the object is there.
            shown = np.flatnonzero(of_category & (areas_px > 0) & kept[index.image_of_object])
            present = np.union1d(shown[:1], present)
        if len(present) < 2:
            too_few.append(category_id)
            continue
        absent = _absent(index, of_category, np.flatnonzero(kept))
        pools.append(CategoryPool(category_id, present, absent, ordered))
    if not pools:
        raise BadInput(
            "no category to draw episodes of",
            index.commit.dataset.model_dump_json(),
            f"{len(too_few)} categories, each in fewer than two images",
            f"a category that covers {settings.min_area_px} pixels in two images",
        )
    if settings.negative_share and not any(len(pool.absent) for pool in pools):
        raise BadInput(
            "negatives of a dataset that does not say what is absent",
            index.commit.dataset.model_dump_json(),
            f"negative_share {settings.negative_share}",
            "negative_share 0; or exhaustive: true, if every object in every image has a mask",
        )
    return EpisodePool(index, settings, tuple(pools), tuple(too_few))


def _absent(index: DatasetIndex, of_category: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return which of the kept images surely lack a category, given as bool [objects]."""
    if index.commit.exhaustive:
        return np.setdiff1d(kept, index.image_of_object[of_category], assume_unique=True)
    states = index.objects["state"].to_numpy(zero_copy_only=False)
    return np.intersect1d(kept, index.image_of_object[of_category & (states == "absent")])


def held_out(index: DatasetIndex, share: float) -> np.ndarray:
    """Choose about a share of the images, by their ids alone: bool [images].

    So an image stays on its side when others are added. Parts cut out of one photo, whose ids are
    `photo@part`, are on one side; in an index from before it kept hashes they stay where they were.
    """
    limit = int(share * 2**64)
    columns = ("image_id", "crop_xyxy", "image_sha256")
    rows = zip(*(index.images[name].to_pylist() for name in columns), strict=True)
    photos = (
        image_id.rpartition("@")[0] if crop and digest else image_id
        for image_id, crop, digest in rows
    )
    digests = (hashlib.sha256(f"held out {photo}".encode()).digest() for photo in photos)
    return np.array([int.from_bytes(digest[:8], "little") < limit for digest in digests], bool)


def draw_episode(
    pool: EpisodePool, seed: int, epoch: int, number: int, occurrence: int | None = None
) -> Episode:
    """Return episode `number` of an epoch, 0 … per_epoch - 1.

    Every run of as many episodes as there are categories holds each category once. A category's
    pairs of reference and target are used up before any comes again, over all epochs. A category
    that is absent from no image gets no negatives.

    occurrence: how many episodes of the category, and of its kind where there are negatives, came
    before; unless the caller counts them, those of the category of either kind.
    """
    settings = pool.settings
    assert 0 <= number < settings.per_epoch
    category = category_at(pool, seed, epoch, number)
    if occurrence is None:
        blocks_per_epoch = -(-settings.per_epoch // len(pool.categories))
        occurrence = epoch * blocks_per_epoch + number // len(pool.categories)
    draws = Draws("episode", seed, epoch, number)
    negative = draws.unit() < settings.negative_share and len(category.absent) > 0
    first, target = _pair(category, occurrence, seed, negative)
    taken = {first} if negative else {first, target}
    count = draws.between(settings.references.min, settings.references.max)
    rest = len(category.present) - len(taken)
    others = _skip(draws.distinct(min(count - 1, rest), rest), taken)
    references = tuple(
        EpisodeReference(int(category.present[row]), _draw_format(settings, draws))
        for row in (first, *others)
    )
    if negative:
        image, target_object = int(category.absent[target]), None
    else:
        target_object = int(category.present[target])
        image = int(pool.index.image_of_object[target_object])
    return Episode(seed, epoch, number, category.category_id, references, image, target_object)


def category_at(pool: EpisodePool, seed: int, epoch: int, number: int) -> CategoryPool:
    """Return the category whose turn it is: each once in every run of as many as there are."""
    block, place = divmod(number, len(pool.categories))
    order = Draws("order", seed, epoch, block).permutation(len(pool.categories))
    return pool.categories[order[place]]


def _pair(category: CategoryPool, occurrence: int, seed: int, negative: bool) -> tuple[int, int]:
    """Return the places of a reference in `present`, and of a target in `absent` or `present`."""
    targets = len(category.absent) if negative else len(category.present) - 1
    size = targets if category.sequence else len(category.present) * targets
    lap, step = divmod(occurrence, size)
    kind = "negative" if negative else "positive"
    pair = shuffled(step, size, kind, seed, category.category_id, lap)
    reference, target = divmod(pair, targets)
    # A target is never its own reference: places from the reference's on move up by one.
    return reference, target + (not negative and target >= reference)


def _skip(places: Iterable[int], taken: set[int]) -> list[int]:
    """Map places among what is not taken to places among all."""
    mapped = []
    for place in places:
        moved = place
        for row in sorted(taken):
            moved += moved >= row
        mapped.append(moved)
    return mapped


def _draw_format(settings: EpisodeSettings, draws: Draws) -> AnnotationFormat:
    # In the schema's order: the order of a job file's keys means nothing.
    formats = [form for form in get_args(AnnotationFormat) if settings.formats.get(form, 0) > 0]
    left = draws.unit() * sum(settings.formats[form] for form in formats)
    for form in formats:
        left -= settings.formats[form]
        if left < 0:
            return form
    return formats[-1]  # rounding: the weights' differences may leave a last crumb


def share_of(first: int, end: int, worker: int, workers: int) -> range:
    """Return the numbers of first … end - 1 that worker 0 … workers - 1 takes."""
    return range(first + (worker - first) % workers, end, workers)


def describe(episode: Episode, index: DatasetIndex) -> dict[str, Any]:
    """Return an episode by names instead of rows, for people and for hashing."""
    image_ids = index.images["image_id"]
    names = {category.id: category.name for category in index.commit.categories}
    return {
        "epoch": episode.epoch,
        "number": episode.number,
        "category": names[episode.category_id],
        "references": [
            {
                "image": image_ids[int(index.image_of_object[reference.object])].as_py(),
                "format": reference.form,
            }
            for reference in episode.references
        ],
        "target": image_ids[episode.target_image].as_py(),
        "negative": episode.target_object is None,
    }


def hash_episodes(episodes: Iterable[Episode]) -> str:
    """Return the sha256 of episodes in the order given."""
    digest = hashlib.sha256()
    for episode in episodes:
        digest.update(json.dumps(asdict(episode), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
