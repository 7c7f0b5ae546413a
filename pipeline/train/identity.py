"""Say what a training run depends on, and refuse an output that was begun with something else."""

from pipeline.output.paths import JOB
from pipeline.storage.place import Place
from pipeline.weights.of_method import weight_contents
from schemas.errors import MissingFile, OtherJob
from schemas.fingerprint import differences, fingerprint_of, leaves
from schemas.job.dataset import IndexCommit
from schemas.job.train import TrainIdentity, TrainJob
from schemas.job.weights import sam_contents_in, weights_of

TRAINING_REVISION = 1  # raised by whoever changes code so that the same job learns otherwise


def sam_contents(job: TrainJob) -> str:
    """Return what SAM's weights hold: `sha256:…`, or `random:SEED`. Raises BadWeights."""
    return sam_contents_in(weight_contents(job.method, job.storage))


def identify_training(job: TrainJob, index: IndexCommit) -> TrainIdentity:
    """Build the identity of a job from contents: its data by the index's hashes."""
    method = {
        key: value
        for key, value in leaves("method", job.method.model_dump(mode="json"))
        if key not in weights_of(job.method)
    }
    fields = {
        **method,
        **weight_contents(job.method, job.storage),
        **dict(leaves("recipe", job.recipe.model_dump(mode="json"))),
        **dict(leaves("episodes", job.episodes.model_dump(mode="json", exclude={"per_epoch"}))),
        **dict(leaves("selection", job.selection.model_dump(mode="json"))),
        **{f"index {name}": digest for name, digest in index.sha256.items()},
        "protocol": job.protocol,
        "seed": str(job.seed),
        # Embeddings from a store are rounded to float16.
        "embeddings": str(job.embeddings is not None),
        "revision": str(TRAINING_REVISION),
    }
    return TrainIdentity(fingerprint=fingerprint_of(fields), fields=fields)


def check_training(output: Place, wanted: TrainIdentity) -> None:
    """Raise OtherJob if the output is another job's, naming every field that differs."""
    try:
        claimed = TrainIdentity.model_validate_json(output.below(JOB).read())
    except MissingFile:
        return
    if claimed.fingerprint != wanted.fingerprint:
        raise OtherJob(
            "the output holds another training run",
            output.uri,
            "\n          ".join(differences(claimed.fields, wanted.fields)),
            "the same data, method and recipe, or another output",
        )
