"""Episodes become tensors for the networks, read ahead in threads and handed out in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from model.draws import Draws
from model.masks.nearest import centre_pixels
from model.masks.rasterise import rasterise_all
from model.methods.vrp import VrpNetworks
from model.networks.pixels import normalise, squash
from model.training.train_step import EpisodeTensors
from pipeline.embed.store import EmbeddingStore
from pipeline.episodes.draw import Episode
from pipeline.episodes.load import EpisodeReader, LoadedEpisode

CPU = torch.device("cpu")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class InputSizes:
    """What the networks of a method take. sam_px is None where SAM reads the backbone's input."""

    backbone_px: int
    grid: int
    sam_px: int | None


def input_sizes(networks: VrpNetworks) -> InputSizes:
    """Return the sizes of a method's inputs."""
    size = networks.backbone.size
    via_512 = networks.encoder.reading.sam_input == "via_512"
    sam_px = None if via_512 else networks.sam.image_encoder.img_size
    return InputSizes(size.input_px, size.grid, sam_px)


class EpisodeFeed:
    """Reads, decodes and resizes episodes; takes SAM's embeddings from a store that has them."""

    def __init__(
        self, reader: EpisodeReader, sizes: InputSizes, store: EmbeddingStore | None, threads: int
    ) -> None:
        self._reader = reader
        self._sizes = sizes
        self._store = store
        self._threads = ThreadPoolExecutor(threads)
        self._ahead = 2 * threads

    def __call__(self, episodes: Iterable[Episode]) -> Iterator[EpisodeTensors]:
        """Yield the episodes' tensors in order; at most twice as many as threads are in memory."""
        return in_order(self._threads, self._load, episodes, self._ahead)

    def close(self) -> None:
        """Stop the threads; what was read ahead is dropped."""
        self._threads.shutdown(cancel_futures=True)

    def _load(self, episode: Episode) -> EpisodeTensors:
        loaded = self._reader.load(episode)
        embedding_Dhw = None
        if self._store is not None:
            embedding_Dhw = self._store.get(loaded.target_sha256)
        return episode_tensors(loaded, self._sizes, embedding_Dhw)


def episode_tensors(
    loaded: LoadedEpisode, sizes: InputSizes, embedding_Dhw: Tensor | None
) -> EpisodeTensors:
    """Resize an episode to the networks' inputs; SAM's only where no embedding is given."""
    grid_hw = (sizes.grid, sizes.grid)
    sam_3HW = None
    if embedding_Dhw is None and sizes.sam_px is not None:
        sam_3HW = _input(loaded.target_HW3, sizes.sam_px)
    episode = loaded.episode
    draws = Draws("dropout", episode.seed, episode.epoch, episode.number)
    return EpisodeTensors(
        references_R3HW=torch.stack(
            [_input(reference.image_HW3, sizes.backbone_px) for reference in loaded.references]
        ),
        annotations_Rhw=torch.from_numpy(rasterise_all(loaded.references, grid_hw)),
        target_3HW=_input(loaded.target_HW3, sizes.backbone_px),
        truth_HW=_nearest(loaded.mask_HW, sizes.backbone_px),
        valid_HW=~_nearest(loaded.ignore_HW, sizes.backbone_px),
        seed=draws.below(2**63),
        embedding_Dhw=embedding_Dhw,
        sam_3HW=sam_3HW,
    )


def in_order(
    threads: ThreadPoolExecutor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Result]:
    """Yield work(item) in the items' order, at most `ahead` of them begun and not yet taken."""
    waiting = iter(items)
    queue: deque[Future[Result]] = deque(
        threads.submit(work, item) for item in islice(waiting, ahead)
    )
    while queue:
        yield queue.popleft().result()
        queue.extend(threads.submit(work, item) for item in islice(waiting, 1))


def _input(image_HW3: np.ndarray, side_px: int) -> Tensor:
    return normalise(squash(image_HW3, side_px, CPU))[0]


def _nearest(mask_HW: np.ndarray, side_px: int) -> Tensor:
    """Stretch a mask to a square: each pixel takes the value under its centre."""
    rows, columns = (centre_pixels(length, side_px) for length in mask_HW.shape)
    return torch.from_numpy(mask_HW[np.ix_(rows, columns)])
