"""Embed a collection: read what is missing, run SAM's encoder, commit shards of embeddings."""

from collections.abc import Callable

from pipeline.cluster.capacity import check_pool
from pipeline.cluster.pool import stream_receipts
from pipeline.embed.actor import EmbedUnits
from pipeline.embed.check import CheckedEmbedding
from pipeline.embed.store import EmbeddingStore, claim_store
from schemas.job.embed import EmbedReceipt


def embed(checked: CheckedEmbedding, on_receipt: Callable[[EmbedReceipt], None]) -> EmbeddingStore:
    """Do what is missing and return the store. Needs ray to be initialised if anything is.

    on_receipt is called in this process for every unit committed.
    """
    job = checked.job
    claim_store(checked.folder, checked.fields)
    if checked.unfinished:
        pool = check_pool(job.compute)
        arguments = (job, dict(checked.fields), pool.gpus)
        for text in stream_receipts(job, checked.unfinished, EmbedUnits, arguments, pool):
            on_receipt(EmbedReceipt.model_validate_json(text))
    return EmbeddingStore(job.embeddings, job.storage, checked.fields)
