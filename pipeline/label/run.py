"""Label a collection: check the job, plan it, segment what is missing, commit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fsspec import AbstractFileSystem
from ray.data import ActorPoolStrategy, DataContext

from model.segmenter import LoadedReference
from pipeline.cluster.capacity import check_pool
from pipeline.cluster.units import read_dataset
from pipeline.inputs.sources import plan_shards
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.budget import RejectedBudget
from pipeline.label.references import load_references
from pipeline.label.retry import Retry, find_retry
from pipeline.label.rows import RowContext
from pipeline.output.commit import is_complete, read_commit, read_parts, unfinished, write_commit
from pipeline.output.identity import check_identity, claim_output, identify, read_identity
from pipeline.output.plan import Plan, extend_plan, merge_plan, read_plan
from pipeline.output.provenance import keep_run
from pipeline.output.unit import UnitName, list_units
from pipeline.storage.files import check_endpoint, check_writable, open_filesystem
from pipeline.weights.of_method import weight_contents
from schemas.commit import Commit, Identity, Part, Shard
from schemas.errors import BadInput, RejectReason
from schemas.label import LabelJob
from schemas.receipt import Receipt

# Bad images are rows, so a task fails for a machine's reason, or because an image kills its
# process: that takes at most four deaths an image to find (pipeline/output/attempts.py). So 15
# retries get a unit past three such images in one run, and the next run goes on from there.
# Ray Data's default is for ever.
ACTOR_RESTARTS = 60
TASK_RETRIES = 15


@dataclass(frozen=True)
class CheckedJob:
    """A job found sound, and what its output holds already; nothing has been written for it."""

    job: LabelJob
    references: tuple[LoadedReference, ...]
    identity: Identity
    fs: AbstractFileSystem
    output: str
    inputs: tuple[Shard, ...]
    plan: Plan
    unfinished: tuple[tuple[Shard, frozenset[int]], ...]
    commit: Commit | None
    done: bool
    """True when every shard of the inputs is in the commit, with its units' newest parts."""


def check(job: LabelJob) -> CheckedJob:
    """Find everything that is wrong with a job before any actor starts.

    Raises BadInput and its kinds: references, weights, storage, another job's output.
    """
    check_endpoint(job.storage)
    references = load_references(job.references, job.numbered_categories(), job.limits, job.storage)
    identity = identify(job, references, weight_contents(job.method, job.storage))
    fs, output = open_filesystem(job.output.uri, job.storage)
    check_writable(job.output.uri, job.storage)
    check_identity(read_identity(fs, output), identity, job.output.uri)
    inputs = plan_shards(job.targets, job.storage, job.compute.images_per_unit)
    known, _ = read_plan(fs, output)
    plan = merge_plan(known, inputs)
    units, commit = list_units(fs, output), read_commit(fs, output)
    left = tuple(unfinished(plan, units))
    return CheckedJob(
        job=job,
        references=references,
        identity=identity,
        fs=fs,
        output=output,
        inputs=tuple(inputs),
        plan=plan,
        unfinished=left,
        commit=commit,
        done=not left and is_complete(commit, plan, units),
    )


def label(checked: CheckedJob, on_receipt: Callable[[Receipt], None]) -> Commit:
    """Do what is missing of a checked job and return its commit; a finished job does nothing.

    on_receipt is called in this process for every unit committed. Needs ray to be initialised.
    """
    if checked.done and checked.commit is not None:
        return checked.commit
    fs, output = checked.fs, checked.output
    claim_output(fs, output, checked.identity)
    plan = extend_plan(fs, output, checked.inputs)
    units = list_units(fs, output)
    known = _known_parts(checked, units)
    budget = RejectedBudget(fs, output, checked.job.limits, known.values())
    receipts = _segment(checked, unfinished(plan, units))
    for receipt in keep_run(fs, output, checked.references, receipts):
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
    return find_retry(checked.fs, checked.output, checked.commit, reasons)


def retry(checked: CheckedJob, again: Retry, on_receipt: Callable[[Receipt], None]) -> Commit:
    """Label again what `check_retry` found and return the new commit; otherwise as `label`."""
    assert checked.commit is not None, "check_retry refuses such a job"
    done = again.done(list_units(checked.fs, checked.output))
    shards = [shard for shard in checked.plan.shards if checked.plan.has_file(shard)]
    work = [(shard, done[shard.id]) for shard in shards if shard.id in done]
    known = {part.path: part for part in checked.commit.parts}
    for receipt in _segment(checked, work, again):
        known[receipt.part.path] = receipt.part
        on_receipt(receipt)
    return _commit(checked, checked.plan, known)


def _known_parts(checked: CheckedJob, units: Iterable[UnitName]) -> dict[str, Part]:
    """Return the parts that need not be read for a commit; with a budget, all there are."""
    parts = checked.commit.parts if checked.commit is not None else ()
    known = {part.path: part for part in parts}
    if checked.job.limits.max_rejected is not None:
        unread = [unit.path for unit in units if unit.path not in known]
        known |= read_parts(checked.fs, checked.output, unread)
    return known


def _commit(checked: CheckedJob, plan: Plan, known: dict[str, Part]) -> Commit:
    fs, output = checked.fs, checked.output
    units = list_units(fs, output)
    if left := unfinished(plan, units):
        raise RuntimeError(f"{len(left)} shards are not finished, the first is {left[0][0].uri}")
    return write_commit(fs, output, checked.identity, plan, known, units)


def _segment(
    checked: CheckedJob,
    work: Sequence[tuple[Shard, frozenset[int]]],
    again: Retry | None = None,
) -> Iterator[Receipt]:
    """Stream shards through the actor pool and yield a receipt for every unit committed."""
    if not work:
        return
    compute = checked.job.compute
    gpus = check_pool(compute)
    task = SegmentTask(checked.job, checked.references, _row_context(checked), gpus, again)
    receipts = read_dataset(checked.job, work).map_batches(
        SegmentUnits,
        fn_constructor_args=(task,),
        batch_size=1,  # one unit: a block holds one. With GPUs, Ray refuses None
        batch_format="pyarrow",
        num_cpus=compute.cpus_per_actor,
        num_gpus=gpus,
        compute=ActorPoolStrategy(
            min_size=compute.actors.min,
            max_size=compute.actors.max,
            max_tasks_in_flight_per_actor=2,  # one at work, one on its way
        ),
        max_restarts=ACTOR_RESTARTS,
        max_task_retries=TASK_RETRIES,
    )
    for block in receipts.iter_batches(batch_size=None, prefetch_batches=0):
        for text in block["receipt"]:
            yield Receipt.model_validate_json(text)


def configure_ray_data(*, progress: bool) -> None:
    """Set this process's Ray Data options; see read_dataset for why blocks hold one row."""
    context = DataContext.get_current()
    context.use_datasource_v2 = False  # its default costs 10 s a read and ignores block counts
    context.target_max_block_size = 1  # any row is larger: so every unit is a block of its own
    context.enable_progress_bars = progress


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
