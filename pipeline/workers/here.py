"""Do units in this process, one after the other."""

from collections.abc import Iterator

from pipeline.cluster.unit_table import unit_to_table
from pipeline.inputs.shards import read_units
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.run import Work
from schemas.record.receipt import Receipt


def in_this_process(task: SegmentTask, work: Work) -> Iterator[Receipt]:
    """Read what is missing of shards and yield a receipt for every unit committed."""
    job = task.job
    labeler = SegmentUnits(task)
    for shard, done in work:
        for unit in read_units(shard, job.targets, job.storage, job.limits, done, task.known):
            for text in labeler(unit_to_table(unit))["receipt"]:
                yield Receipt.model_validate_json(text)
