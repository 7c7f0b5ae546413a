"""Label a collection: check the job, plan it, segment what is missing, commit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import ray
from fsspec import AbstractFileSystem
from ray.data import ActorPoolStrategy, DataContext

from model.segmenter import LoadedReference
from pipeline.commit import read_commit, unfinished, write_commit
from pipeline.identity import check_identity, claim_output, identify, read_identity
from pipeline.keep_run import keep_run
from pipeline.method_weights import weight_contents
from pipeline.plan import Plan, extend_plan, merge_plan, read_plan
from pipeline.read import READ_CPUS, read_dataset
from pipeline.references import load_references
from pipeline.rows import RowContext
from pipeline.segment import SegmentTask, SegmentUnits
from pipeline.sink import list_units
from pipeline.sources import plan_shards
from pipeline.storage import check_endpoint, check_writable, open_filesystem
from schemas.commit import Commit, Identity, Part, Shard
from schemas.errors import BadInput
from schemas.job import LabelJob
from schemas.receipt import Receipt

# Bad images are rows, so a task fails for a machine's reason, or because an image kills its
# process: that takes at most three deaths an image to find (pipeline/attempts.py). So 15 retries
# get a unit past four such images in one run, and the next run goes on from there. Ray Data's
# default is for ever.
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

    @property
    def done(self) -> bool:
        """True when every shard of the inputs is in the commit."""
        return (
            not self.unfinished
            and self.commit is not None
            and self.commit.shards == len(self.plan.shards)
        )


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
    return CheckedJob(
        job=job,
        references=references,
        identity=identity,
        fs=fs,
        output=output,
        inputs=tuple(inputs),
        plan=plan,
        unfinished=tuple(unfinished(plan, list_units(fs, output))),
        commit=read_commit(fs, output),
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
    known: dict[str, Part] = {}
    if checked.commit is not None:
        known.update((part.path, part) for part in checked.commit.parts)
    receipts = _segment(checked, unfinished(plan, list_units(fs, output)))
    for receipt in keep_run(fs, output, checked.references, receipts):
        known[receipt.part.path] = receipt.part
        on_receipt(receipt)
    units = list_units(fs, output)
    if left := unfinished(plan, units):
        raise RuntimeError(f"{len(left)} shards are not finished, the first is {left[0][0].uri}")
    return write_commit(fs, output, checked.identity, plan, known, units)


def _segment(
    checked: CheckedJob, work: Sequence[tuple[Shard, frozenset[int]]]
) -> Iterator[Receipt]:
    """Stream shards through the actor pool and yield a receipt for every unit committed."""
    if not work:
        return
    compute = checked.job.compute
    gpus = _gpus_per_actor(checked.job)
    _check_room(checked.job, gpus)
    task = SegmentTask(checked.job, checked.references, _row_context(checked), gpus)
    receipts = read_dataset(checked.job, work).map_batches(
        SegmentUnits,
        fn_constructor_args=(task,),
        batch_size=None,  # the whole block: one unit
        batch_format="pyarrow",
        num_cpus=compute.cpus_per_actor,
        num_gpus=gpus,
        compute=ActorPoolStrategy(
            min_size=compute.actors.min,
            max_size=compute.actors.max,
            max_tasks_in_flight_per_actor=2,  # one at work, one on its way
        ),
        ray_remote_args_fn=lambda: {
            "max_restarts": ACTOR_RESTARTS,
            "max_task_retries": TASK_RETRIES,
        },
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
    )


def _gpus_per_actor(job: LabelJob) -> float:
    asked = job.compute.gpus_per_actor
    if asked != "auto":
        return asked
    return 1.0 if ray.cluster_resources().get("GPU", 0) else 0.0


def _check_room(job: LabelJob, gpus: float) -> None:
    """Refuse a job whose smallest pool and one reader never fit: Ray would wait for ever."""
    have = ray.cluster_resources()
    compute = job.compute
    need = {
        "CPU": compute.actors.min * compute.cpus_per_actor + READ_CPUS,
        "GPU": compute.actors.min * gpus,
    }
    for resource, amount in need.items():
        if amount > have.get(resource, 0):
            raise BadInput(
                f"the cluster has too few {resource}s for this job",
                "compute.actors.min x the share of each actor, and one reader",
                f"{have.get(resource, 0):g} {resource}s in the cluster",
                f"{amount:g}, or fewer or smaller actors",
            )
