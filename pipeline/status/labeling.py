"""A labeling job's output becomes how far it is: listings and a plan, no cluster and no driver."""

from dataclasses import dataclass

from pipeline.output.attempts import list_begun
from pipeline.output.commit import is_complete, read_commit, unfinished
from pipeline.output.paths import REJECTED
from pipeline.output.plan import Plan, read_plan
from pipeline.output.provenance import read_runs
from pipeline.output.unit import list_sizes
from pipeline.status.images import count_images
from pipeline.storage.place import Place
from schemas.record.commit import Counts
from schemas.record.run import Run

RUNS_SHOWN = 3


@dataclass(frozen=True)
class LabelStatus:
    """How far a labeling job is; `counts` are of its commit, None until there is one."""

    done: bool
    shards: int
    shards_finished: int
    units: int
    units_at_work: tuple[str, ...]
    """Begun and not committed: being labelled, or left by a process that died."""
    units_with_rejected: int
    images_least: int
    images_most: int
    """Images of the committed units; two numbers where very many tars have ended of late."""
    counts: Counts | None
    runs: tuple[Run, ...]
    """The last that ended otherwise than by a kill, oldest first."""


def label_status(output: Place) -> LabelStatus:
    """Read a labeling output: five listings, the plan, the commit and the last runs."""
    shards, _ = read_plan(output)
    units, commit = list_sizes(output), read_commit(output)
    plan = Plan(shards, (), commit.vanished if commit else ())
    left = unfinished(plan, units)
    least, most = count_images(output, shards, units, commit)
    return LabelStatus(
        done=bool(shards) and not left and is_complete(commit, plan, units),
        shards=len(shards),
        shards_finished=len(shards) - len(left),
        units=len(units),
        units_at_work=list_begun(output, units),
        units_with_rejected=sum(not n.startswith(".") for n in output.below(REJECTED).files()),
        images_least=least,
        images_most=most,
        counts=commit.counts if commit else None,
        runs=tuple(read_runs(output, RUNS_SHOWN)),
    )
