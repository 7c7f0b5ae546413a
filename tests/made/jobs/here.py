"""A labeling job is done in this process, without Ray: one actor, units in turn, then a commit."""

from collections.abc import Iterator
from itertools import islice

from pipeline.label.actor import SegmentTask
from pipeline.label.check import check
from pipeline.label.run import Work, label
from pipeline.workers.here import in_this_process
from schemas.job.label import LabelJob
from schemas.record.commit import Commit
from schemas.record.receipt import Receipt


def label_here(job: LabelJob, most_units: int | None = None) -> tuple[Commit | None, list[Receipt]]:
    """Label what is missing, or the first units of it; return the commit and a receipt a unit."""
    receipts: list[Receipt] = []

    def workers(task: SegmentTask, work: Work) -> Iterator[Receipt]:
        return islice(in_this_process(task, work), most_units)

    try:
        return label(check(job), receipts.append, workers), receipts
    except RuntimeError as error:
        if most_units is None or "not finished" not in str(error):
            raise
        return None, receipts
