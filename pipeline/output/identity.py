"""Say what an output's labels depend on, and refuse an output that depends on something else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from model.segmenter import LoadedReference
from pipeline.output.paths import JOB
from pipeline.storage.place import Place
from schemas.errors import MissingFile, OtherJob
from schemas.fingerprint import differences, fingerprint_of, leaves
from schemas.job.label import LabelJob
from schemas.job.method import Vrp
from schemas.job.reference import best_of
from schemas.job.weights import weights_of
from schemas.record.commit import Identity, asked_with_field

RESULT_REVISION = 1  # raised by whoever changes code so that the same job gives other masks


def identify(
    job: LabelJob,
    references: Sequence[LoadedReference],
    weights: Mapping[str, str],
    presence: Mapping[str, str] = MappingProxyType({}),
) -> Identity:
    """Build the identity of a job from contents.

    weights maps each place of `weights_of` to `sha256:…` of the file, or `random:SEED`. presence is
    what a job that asks for a precision or a recall depends on besides its thresholds.
    """
    method = {
        key: value
        for key, value in leaves("method", job.method.model_dump(mode="json"))
        if key not in weights_of(job.method)
    }
    model = {**method, **weights, "revision": str(RESULT_REVISION)}
    names = {category.id: category.name for category in job.numbered_categories()}
    fields = {
        **model,
        **dict(leaves("thresholds", job.thresholds.model_dump(mode="json"))),
        **{f"category {number}": name for number, name in names.items()},
        **_best_of_many(job),
        **{f"reference {r.id}": names[r.category_id] for r in references},
        "targets.type": job.targets.type,
        # Left at their defaults they are no fields, as in outputs made before they existed.
        **({"overlaps": _overlaps(job)} if job.overlaps != "keep" else {}),
        **(dict(leaves("instances", job.instances.model_dump())) if job.instances else {}),
        # Until 2026-11-25 they had the score of their category.
        **(
            {"instances.score": "mean probability"}
            if job.instances and job.instances.by == "components"
            else {}
        ),
        **presence,
        # Embeddings from a store are rounded to float16, so a mask may differ in a pixel.
        **({"embeddings": "float16"} if job.embeddings is not None else {}),
    }
    return Identity(
        fingerprint=fingerprint_of(fields),
        model_fingerprint=fingerprint_of(model),
        fields=fields,
        categories=job.numbered_categories(),
        source=job.targets.type,
        random_weights=job.random_weights,
    )


def _best_of_many(job: LabelJob) -> dict[str, str]:
    """Say of which categories an image is asked with some references, without the job's saying."""
    if not isinstance(job.method, Vrp) or job.method.best_references is not None:
        return {}
    counts = Counter(reference.category for reference in job.references)
    return {
        asked_with_field(category.id): f"the best {best} of its references"
        for category in job.numbered_categories()
        if (best := best_of(None, counts[category.name])) is not None
    }


def _overlaps(job: LabelJob) -> str:
    """Say who has a pixel that several claim: by probability only where a job has one."""
    return f"{job.overlaps} by probability" if job.thresholds.decide_presence else job.overlaps


def read_identity(output: Place) -> Identity | None:
    """Return whose output this is, None when it is nobody's yet."""
    try:
        return Identity.model_validate_json(output.below(JOB).read())
    except MissingFile:
        return None


def is_claimed(output: Place) -> bool:
    """True where the output is a job's already."""
    try:
        return output.below(JOB).size() is not None
    except MissingFile:
        return False


def claim_output(output: Place, identity: Identity) -> None:
    """Make the output this job's; of two jobs that begin at once, one wins and one is refused.

    Raises OtherJob, naming every field that differs.
    """
    if not output.below(JOB).create(identity.model_dump_json(indent=2).encode()):
        check_identity(read_identity(output), identity, output.uri)


def check_identity(claimed: Identity | None, wanted: Identity, output: str) -> None:
    """Raise OtherJob if the output is another job's."""
    if claimed is None or claimed.fingerprint == wanted.fingerprint:
        return
    raise OtherJob(
        "the output holds labels of another job",
        output,
        "\n          ".join(differences(claimed.fields, wanted.fields)),
        "the same references, weights, method and thresholds, or another output",
    )
