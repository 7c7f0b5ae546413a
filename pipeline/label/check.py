"""Find everything that is wrong with a labeling job, and what is left to do of it."""

from dataclasses import dataclass

from model.segmenter import LoadedReference
from pipeline.inputs.shards import check_reading
from pipeline.inputs.sources import Inputs, plan_inputs
from pipeline.label.references import read_references
from pipeline.output.commit import is_complete, read_commit, unfinished
from pipeline.output.earlier import Earlier, read_earlier
from pipeline.output.identity import check_identity, identify, read_identity
from pipeline.output.namesakes import by_content
from pipeline.output.plan import Plan, merge_plan, read_plan
from pipeline.output.unit import list_sizes
from pipeline.presence.heads import PresenceTask, check_negatives, presence_task
from pipeline.storage.files import check_endpoint, check_writable
from pipeline.storage.place import Place
from pipeline.weights.of_method import weight_contents
from schemas.job.label import LabelJob
from schemas.record.commit import Commit, Identity, Shard


@dataclass(frozen=True)
class CheckedJob:
    """A job found sound, and what its output holds already; nothing has been written for it."""

    job: LabelJob
    references: tuple[LoadedReference, ...]
    understood: tuple[str, ...]
    """What each reference's annotation is understood to be: pixels, share of the image, box."""
    identity: Identity
    output: Place
    inputs: Inputs
    plan: Plan
    unfinished: tuple[tuple[Shard, frozenset[int]], ...]
    commit: Commit | None
    presence: PresenceTask | None
    earlier: Earlier | None
    """What is taken over from the output that the job names as earlier; None once all is done."""
    done: bool
    """True when every shard of the inputs is in the commit, with its units' newest parts."""

    @property
    def takes_rows(self) -> bool:
        """True where rows of some category may be taken over from an earlier output."""
        return self.earlier is not None and bool(self.earlier.kept)


def check(job: LabelJob) -> CheckedJob:
    """Find everything that is wrong with a job before any actor starts.

    Raises BadInput and its kinds: references, weights, storage, another job's output.
    """
    check_endpoint(job.storage)
    read = read_references(job.references, job.numbered_categories(), job.limits, job.storage)
    references = tuple(reference.loaded for reference in read)
    # Before a head is looked for by the weights' names.
    contents = weight_contents(job.method, job.storage)
    presence = presence_task(job)
    if presence is not None:
        check_negatives(presence, references, job.negatives)
    fields = {} if presence is None else presence.fields(job)
    identity = identify(job, references, contents, fields)
    output = Place.open(job.output.uri, job.storage)
    check_writable(job.output.uri, job.storage)
    check_identity(read_identity(output), identity, job.output.uri)
    inputs = plan_inputs(job.targets, job.storage, job.compute.images_per_unit)
    known, _ = read_plan(output)
    plan = merge_plan(
        known, inputs.shards, ids_given=inputs.ids_given, is_other=by_content(job.storage)
    )
    units, commit = list_sizes(output), read_commit(output)
    left = tuple(unfinished(plan, units))
    for shard, _ in left:
        check_reading(shard)
    return CheckedJob(
        job=job,
        references=references,
        understood=tuple(reference.said for reference in read),
        identity=identity,
        output=output,
        inputs=inputs,
        plan=plan,
        unfinished=left,
        commit=commit,
        presence=presence,
        earlier=read_earlier(job, identity, references) if left else None,
        done=not left and is_complete(commit, plan, units),
    )
