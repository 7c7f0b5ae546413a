"""A labeling job is done in this process, without Ray: one actor, units in turn, then a commit."""

from pipeline.cluster.unit_table import unit_to_table
from pipeline.inputs.shards import read_units
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.check import check
from pipeline.label.rows import RowContext
from pipeline.output.commit import write_commit
from pipeline.output.identity import claim_output
from pipeline.output.plan import extend_plan
from pipeline.output.unit import list_units
from schemas.job.label import LabelJob
from schemas.record.commit import Commit
from schemas.record.receipt import Receipt


def label_here(job: LabelJob, most_units: int | None = None) -> tuple[Commit | None, list[Receipt]]:
    """Label what is missing, or the first units of it; return the commit and a receipt a unit."""
    checked = check(job)
    claim_output(checked.output, checked.identity)
    plan = extend_plan(checked.output, checked.inputs.shards)
    ids: dict[int, tuple[str, ...]] = {}
    for reference in checked.references:
        ids[reference.category_id] = (*ids.get(reference.category_id, ()), reference.id)
    context = RowContext(
        checked.identity, ids, job.thresholds, job.overlaps, instances=job.instances
    )
    actor = SegmentUnits(
        SegmentTask(
            job,
            checked.references,
            context,
            0.0,
            presence=checked.presence,
            earlier=checked.earlier if checked.takes_rows else None,
        )
    )
    receipts = []
    for shard, done in checked.unfinished:
        for unit in read_units(shard, job.targets, job.storage, job.limits, done):
            if len(receipts) == most_units:
                return None, receipts
            (text,) = actor(unit_to_table(unit))["receipt"]
            receipts.append(Receipt.model_validate_json(text))
    units = list_units(checked.output)
    return write_commit(checked.output, checked.identity, plan, {}, units), receipts
