"""Turn a unit of encoded images into a committed shard of embeddings: the work of one actor."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from threading import Lock

import numpy as np
import pyarrow as pa

from model.embed import SamEmbedder
from model.networks.device import pick_device, pick_precision
from pipeline.cluster.unit_table import table_to_units
from pipeline.embed.batches import Batches
from pipeline.embed.store import EmbeddingStore, image_key, pack_shard, write_shard
from pipeline.images.decode import DecodedImage, decode_image
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.output.unit import UnitName
from pipeline.weights.of_method import local_method
from schemas.errors import ImageRejected
from schemas.job.embed import EmbedJob, EmbedReceipt


class EmbedUnits:
    """Holds SAM's encoder; called with a unit, by several threads.

    One unit at a time has the encoder. Meanwhile the next one's images are looked for in the store,
    and the last one's shard is written.
    """

    def __init__(self, job: EmbedJob, fields: Mapping[str, str], gpus: float) -> None:
        device = pick_device(gpus)
        self._job = job
        self._fields = fields
        self._batches = Batches(
            SamEmbedder(
                local_method(job.method, job.storage),
                device,
                pick_precision(job.compute.precision, device),
                job.compute.attention,
            )
        )
        self._store = EmbeddingStore(job.embeddings, job.storage, fields)
        self._decoders = ThreadPoolExecutor(job.compute.decode_threads)
        self._turn = Lock()

    def __call__(self, table: pa.Table) -> dict[str, list[str]]:
        """Commit the units of a block (one) and return their receipts as JSON."""
        return {"receipt": [self._commit(u).model_dump_json() for u in table_to_units(table)]}

    def _commit(self, unit: Unit) -> EmbedReceipt:
        start = time.perf_counter()
        new: dict[str, EncodedImage] = {}
        rejected: list[tuple[str, str]] = []
        for image in unit.images:
            if image.fault is not None:
                rejected.append((image.image_id, str(image.fault)))
            elif (key := image_key(image.data)) not in self._store:
                new.setdefault(key, image)
        with self._turn:
            embeddings, unfit = self._embed(new)
        rejected += unfit
        data = pack_shard(embeddings, self._fields)
        name = UnitName(unit.shard_id, unit.number, unit.last)
        write_shard(self._store.folder, name, data)
        return EmbedReceipt(
            shard_id=unit.shard_id,
            number=unit.number,
            last=unit.last,
            embedded=len(embeddings),
            known=len(unit.images) - len(embeddings) - len(rejected),
            rejected=tuple(rejected),
            bytes=len(data),
            seconds=time.perf_counter() - start,
        )

    def _embed(
        self, new: Mapping[str, EncodedImage]
    ) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
        """Return embeddings by key, and what cannot be decoded or does not fit into memory.

        The next batch is decoded ahead.
        """
        embeddings: dict[str, np.ndarray] = {}
        rejected: list[tuple[str, str]] = []
        keys, size = list(new), self._job.compute.batch_size
        batches = [keys[first : first + size] for first in range(0, len(keys), size)]
        ahead = self._decode_ahead(new, batches[0]) if batches else []
        for batch, following in zip_longest(batches, batches[1:], fillvalue=()):
            decoded = [future.result() for future in ahead]
            ahead = self._decode_ahead(new, following)
            good: dict[str, np.ndarray] = {}
            for key, outcome in zip(batch, decoded, strict=True):
                if isinstance(outcome, ImageRejected):
                    rejected.append((new[key].image_id, str(outcome)))
                else:
                    good[key] = outcome.pixels_HW3
            for key, outcome in zip(good, self._batches.embed(list(good.values())), strict=True):
                if isinstance(outcome, ImageRejected):
                    rejected.append((new[key].image_id, str(outcome)))
                else:
                    embeddings[key] = outcome
        return embeddings, rejected

    def _decode_ahead(
        self, new: Mapping[str, EncodedImage], keys: Sequence[str]
    ) -> list[Future[DecodedImage | ImageRejected]]:
        return [self._decoders.submit(self._decode, new[key]) for key in keys]

    def _decode(self, image: EncodedImage) -> DecodedImage | ImageRejected:
        try:
            return decode_image(image.data, self._job.limits)
        except ImageRejected as rejected:
            return rejected
