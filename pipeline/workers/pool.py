"""Give units to a pool of actors on the cluster that this process has joined."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.cluster.capacity import check_pool
from pipeline.cluster.pool import configure_ray_data, stream_receipts
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.run import Work
from schemas.record.receipt import Receipt


def on_cluster(task: SegmentTask, work: Work) -> Iterator[Receipt]:
    """Stream shards through actors and yield a receipt for every unit committed."""
    configure_ray_data(progress=False)
    pool = check_pool(task.job.compute)
    task = replace(task, gpus=pool.gpus)
    for text in stream_receipts(task.job, work, SegmentUnits, (task,), pool, task.known):
        yield Receipt.model_validate_json(text)
