"""A collection becomes a few of its images, spread over it."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import numpy as np

from pipeline.inputs.address import open_place, split_uri
from pipeline.inputs.read_again import read_again
from pipeline.inputs.shards import EncodedImage, read_units
from pipeline.inputs.sources import cut_list
from schemas.errors import ImageRejected
from schemas.job.label import LabelJob
from schemas.record.commit import Shard

Item = TypeVar("Item")


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` items, as far from one another as they come, the ends among them."""
    if len(items) <= count:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]


def choose_sample(shards: Sequence[Shard], count: int) -> list[Shard]:
    """Return shards whose first units are a sample of some `count` images.

    Of listed images it is spread over the list; of tars and Parquet files, over the files: what
    comes first in each, since what lies behind would have to be read past.
    """
    if listed := [image for shard in shards for image in shard.images]:
        return cut_list(spread(listed, count), shards[0].uri, 1)
    chosen = spread(shards, count)
    each = -(-count // max(1, len(chosen)))
    return [shard.model_copy(update={"images_per_unit": each}) for shard in chosen]


def read_sample(sample: Sequence[Shard], job: LabelJob) -> Iterator[EncodedImage]:
    """Read what `choose_sample` chose, a shard at a time. Raises BadStorage."""
    for shard in sample:
        yield from next(read_units(shard, job.targets, job.storage, job.limits)).images


def read_chosen(chosen: Sequence[tuple[str, str]], job: LabelJob) -> Iterator[EncodedImage]:
    """Read images given as (id, URI), those of one file together, but not what the job learns from.

    These are told by their bytes: an image of a shard was written out under another name.
    """
    learnt = (*(one.image for one in job.references), *job.negatives)
    known = {_digest(open_place(uri, job.storage).read()) for uri in dict.fromkeys(learnt)}
    for _, named in groupby(chosen, key=lambda one: split_uri(one[1])[0]):
        id_by_uri = {uri: image_id for image_id, uri in named}
        for uri, read in read_again(id_by_uri, job.storage, job.targets):
            if isinstance(read, str):
                yield EncodedImage(id_by_uri[uri], uri, b"", ImageRejected("missing", read))
            elif _digest(read) not in known:
                yield EncodedImage(id_by_uri[uri], uri, read)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
