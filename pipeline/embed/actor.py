"""Turn a unit of encoded images into a committed shard of embeddings: the work of one actor."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from model.embed import SamEmbedder
from model.networks.device import pick_device, pick_precision
from pipeline.cluster.units import table_to_units
from pipeline.embed.store import EmbeddingStore, image_key, pack_shard, write_shard
from pipeline.images.decode import DecodedImage, decode_image
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.output.unit import UnitName
from pipeline.weights.of_method import local_method
from schemas.errors import ImageRejected
from schemas.job.embed import EmbedJob, EmbedReceipt


class EmbedUnits:
    """Holds SAM's encoder; called with one unit at a time."""

    def __init__(self, job: EmbedJob, fields: Mapping[str, str], gpus: float) -> None:
        device = pick_device(gpus)
        self._job = job
        self._fields = fields
        self._embedder = SamEmbedder(
            local_method(job.method, job.storage),
            device,
            pick_precision(job.compute.precision, device),
            job.compute.attention,
        )
        self._store = EmbeddingStore(job.embeddings, job.storage, fields)
        self._decoders = ThreadPoolExecutor(job.compute.decode_threads)

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
        embeddings = {}
        keys = list(new)
        step = self._job.compute.batch_size
        for first in range(0, len(keys), step):
            chosen = keys[first : first + step]
            good: dict[str, DecodedImage] = {}
            decoded = self._decoders.map(self._decode, [new[key] for key in chosen])
            for key, outcome in zip(chosen, decoded, strict=True):
                if isinstance(outcome, ImageRejected):
                    rejected.append((new[key].image_id, str(outcome)))
                else:
                    good[key] = outcome
            found = self._embedder.embed([image.pixels_HW3 for image in good.values()])
            embeddings |= dict(zip(good, found, strict=True))
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

    def _decode(self, image: EncodedImage) -> DecodedImage | ImageRejected:
        try:
            return decode_image(image.data, self._job.limits)
        except ImageRejected as rejected:
            return rejected
