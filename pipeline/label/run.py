"""Label a collection: check the job, plan it, segment what is missing, commit."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.inputs.shards import check_reading
from pipeline.label.actor import SegmentTask
from pipeline.label.budget import RejectedBudget
from pipeline.label.check import CheckedJob
from pipeline.label.retry import Retry, find_retry
from pipeline.label.rows import RowContext
from pipeline.output.commit import read_parts, unchanged_parts, unfinished, write_commit
from pipeline.output.identity import claim_output
from pipeline.output.namesakes import by_content
from pipeline.output.plan import Plan, extend_plan
from pipeline.output.provenance import keep_run
from pipeline.output.unit import UnitName, list_sizes, list_units, unit_of
from schemas.errors import BadInput, RejectReason
from schemas.record.commit import Commit, Part, Shard
from schemas.record.receipt import Receipt

Work = Sequence[tuple[Shard, frozenset[int]]]
"""Shards, each with the units of it that are committed."""
Workers = Callable[[SegmentTask, Work], Iterator[Receipt]]
"""Does what is missing of shards and yields a receipt for every unit committed."""


def label(checked: CheckedJob, on_receipt: Callable[[Receipt], None], workers: Workers) -> Commit:
    """Do what is missing of a checked job and return its commit; a finished job does nothing.

    on_receipt is called in this process for every unit committed.
    """
    if checked.done and checked.commit is not None:
        return checked.commit
    output = checked.output
    claim_output(output, checked.identity)
    inputs, is_other = checked.inputs, by_content(checked.job.storage)
    plan = extend_plan(output, inputs.shards, ids_given=inputs.ids_given, is_other=is_other)
    sizes = list_sizes(output)
    known = _known_parts(checked, plan, sizes)
    budget = RejectedBudget(output, checked.job.limits, known.values())
    receipts = _segment(checked, workers, unfinished(plan, sizes))
    for receipt in keep_run(output, checked.references, receipts):
        known[receipt.part.path] = receipt.part
        on_receipt(receipt)
        budget.add(receipt.part)
    budget.check()
    return _commit(checked, plan, known)


def check_retry(checked: CheckedJob, reasons: frozenset[RejectReason]) -> Retry:
    """Find what a finished job rejected for one of the reasons. Raises BadInput if unfinished."""
    if checked.commit is None or not checked.done:
        raise BadInput(
            "only a finished job can be retried",
            checked.job.output.uri,
            f"{len(checked.unfinished)} shards to do, or no commit of all parts",
            "a finished job: run `vrp label` first",
        )
    again = find_retry(checked.output, checked.commit, reasons)
    planned = {shard.id: shard for shard in checked.plan.shards}
    for shard_id, _ in again.parts:
        check_reading(planned[shard_id])
    return again


def retry(
    checked: CheckedJob, again: Retry, on_receipt: Callable[[Receipt], None], workers: Workers
) -> Commit:
    """Label again what `check_retry` found and return the new commit; otherwise as `label`."""
    assert checked.commit is not None, "check_retry refuses such a job"
    work = work_again(checked, again)
    known = {part.path: part for part in checked.commit.parts}
    for receipt in _segment(checked, workers, work, again):
        known[receipt.part.path] = receipt.part
        on_receipt(receipt)
    return _commit(checked, checked.plan, known)


def work_again(checked: CheckedJob, again: Retry) -> Work:
    """Return the shards with something to retry, and their units without."""
    done = again.done(list_units(checked.output))
    shards = [shard for shard in checked.plan.shards if checked.plan.has_file(shard)]
    return [(shard, done[shard.id]) for shard in shards if shard.id in done]


def _known_parts(checked: CheckedJob, plan: Plan, sizes: Mapping[UnitName, int]) -> dict[str, Part]:
    """Return the parts that need not be read for a commit; with a budget, all there are.

    Those of the old commit that are others now are read before any work. Raises BadStorage.
    """
    output, commit = checked.output, checked.commit
    known = unchanged_parts(commit, sizes)
    listed = {part.path for part in commit.parts} if commit is not None else set()
    known |= read_parts(output, [u.path for u in sizes if u.path in listed and u.path not in known])
    there = {(unit.shard_id, unit.number) for unit in sizes}
    if commit is not None and not there.issuperset(_units_of(commit)):
        # A unit is done again whose part has gone. A kill after that would leave a commit that
        # names the old part, and the new one may have its size.
        commit = write_commit(output, checked.identity, plan, known, sizes)
        known = {part.path: part for part in commit.parts}
    if checked.job.limits.max_rejected is not None:
        known |= read_parts(output, [unit.path for unit in sizes if unit.path not in known])
    return known


def _units_of(commit: Commit) -> Iterator[tuple[str, int]]:
    for unit in map(unit_of, commit.parts):
        if unit is not None:
            yield unit.shard_id, unit.number


def _commit(checked: CheckedJob, plan: Plan, known: dict[str, Part]) -> Commit:
    output = checked.output
    units = list_units(output)
    if left := unfinished(plan, units):
        raise RuntimeError(f"{len(left)} shards are not finished, the first is {left[0][0].uri}")
    return write_commit(output, checked.identity, plan, known, units)


def _segment(
    checked: CheckedJob, workers: Workers, work: Work, again: Retry | None = None
) -> Iterator[Receipt]:
    """Yield a receipt for every unit that the workers commit."""
    if not work:
        return
    task = SegmentTask(
        checked.job,
        checked.references,
        _row_context(checked),
        retry=again,
        presence=checked.presence,
        earlier=checked.earlier if again is None and checked.takes_rows else None,
    )
    yield from workers(task, work)


def _row_context(checked: CheckedJob) -> RowContext:
    ids = checked.identity.categories
    return RowContext(
        identity=checked.identity,
        references={
            category.id: tuple(r.id for r in checked.references if r.category_id == category.id)
            for category in ids
        },
        thresholds=checked.job.thresholds,
        overlaps=checked.job.overlaps,
        instances=checked.job.instances,
    )
