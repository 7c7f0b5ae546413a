"""Stream units through a pool of actors; take back a receipt for each."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from ray.data import ActorPoolStrategy, DataContext
from ray.util.annotations import RayDeprecationWarning

from pipeline.cluster.capacity import Pool
from pipeline.cluster.units import read_dataset
from pipeline.inputs.shards import KnownIds
from schemas.job.embed import EmbedJob
from schemas.job.label import LabelJob
from schemas.record.commit import Shard

# Bad images are rows, so a task fails for a machine's reason, or because an image kills its
# process: that takes at most four deaths an image to find (pipeline/output/attempts.py). So 15
# retries get a unit past three such images in one run, and the next run goes on from there.
# Ray Data's default is for ever.
ACTOR_RESTARTS = 60
TASK_RETRIES = 15
# An actor has one unit with the model, one being written, one on its way. A pool grows where its
# actors have more than SCALE_UP times the calls that they run: three of two.
CALLS, IN_FLIGHT, SCALE_UP = 2, 3, 1.25


def configure_ray_data(*, progress: bool) -> None:
    """Set this process's Ray Data options; see read_dataset for why blocks hold one row."""
    context = DataContext.get_current()
    context.use_datasource_v2 = False  # its default costs 10 s a read and ignores block counts
    context.target_max_block_size = 1  # any row is larger: so every unit is a block of its own
    context.enable_progress_bars = progress
    context.autoscaling_config.actor_pool_util_upscaling_threshold = SCALE_UP


def stream_receipts(
    job: LabelJob | EmbedJob,
    work: Sequence[tuple[Shard, frozenset[int]]],
    actor: type,
    arguments: tuple[Any, ...],
    pool: Pool,
    known: KnownIds | None = None,
) -> Iterator[str]:
    """Read what is missing of the job's shards and yield a receipt (JSON) for every unit committed.

    actor is constructed with arguments, called with one unit (a table of UNIT_SCHEMA), and returns
    its receipts as the column `receipt`. Two threads of its process call it at once. known is as in
    `read_units`.
    """
    # Ray 2.60 has no other way to bound restarts, and warns of this one.
    warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated", RayDeprecationWarning)
    compute = job.compute
    receipts = read_dataset(job, work, known).map_batches(
        actor,
        fn_constructor_args=arguments,
        batch_size=1,  # one unit: a block holds one. With GPUs, Ray refuses None
        batch_format="pyarrow",
        num_cpus=compute.cpus_per_actor,
        num_gpus=pool.gpus,
        compute=ActorPoolStrategy(
            min_size=pool.least,
            max_size=pool.most,
            max_tasks_in_flight_per_actor=IN_FLIGHT,
            max_concurrent_calls_per_actor=CALLS,
            enable_true_multi_threading=True,
        ),
        max_restarts=ACTOR_RESTARTS,
        max_task_retries=TASK_RETRIES,
    )
    for block in receipts.iter_batches(batch_size=None, prefetch_batches=0):
        yield from block["receipt"]
