"""Turn a YAML file and --set options into a job, or into one readable error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, ValidationError

from jobs.terminal.strict_yaml import MAX_BYTES, load_yaml
from pipeline.weights.from_card import fill_methods
from schemas.errors import BadInput
from schemas.faults import in_our_words, meant
from schemas.job.embed import IMAGES_PER_UNIT, EmbedJob
from schemas.job.episode import EpisodeJob
from schemas.job.evaluate import EvaluateJob
from schemas.job.label import LabelJob
from schemas.job.method import Vrp
from schemas.job.storage import Output, Storage
from schemas.job.train import TrainJob
from schemas.spec import Spec, Uri

Job = TypeVar("Job", bound=Spec)
KINDS: dict[str, type[Spec]] = {
    "label": LabelJob,
    "train": TrainJob,
    "episodes": EpisodeJob,
    "embed": EmbedJob,
    "evaluate": EvaluateJob,
}
_FAULTS_SHOWN = 20


class Destination(Spec):
    """What any job says of where its results go; its other keys are for its own command."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    output: Output | None = None
    embeddings: Uri | None = None
    storage: Storage = Storage()


def read_job(kind: type[Job], path: Path, overrides: list[str] | None = None) -> Job:
    """Read a job; overrides are `key.subkey=value` with YAML values, lists by number.

    Raises BadInput: a file that is missing or no YAML, an unknown key, a wrong type or value; and
    BadWeights, BadStorage of weights whose card is to say what the job does not.
    """
    document, folder = read_document(path), path.resolve().parent
    for override in overrides or ():
        _override(document, override)
    document = fill_methods(document, folder)
    try:
        return kind.model_validate(document, context={"folder": str(folder)})
    except ValidationError as error:
        raise _readable(error, path, kind) from error


def read_embedding(path: Path, overrides: list[str] | None = None) -> EmbedJob:
    """Read an embedding job; a labeling job stands for the embedding of its targets.

    Raises BadInput as `read_job`, and for a labeling job without a store or without a SAM of its
    own to embed with.
    """
    if "references" not in read_document(path):
        return read_job(EmbedJob, path, overrides)
    job = read_job(LabelJob, path, overrides)
    if job.embeddings is None or not isinstance(job.method, Vrp):
        got = "no embeddings" if job.embeddings is None else f"method.type {job.method.type}"
        raise BadInput(
            "a labeling job that names no embeddings to make",
            str(path),
            got,
            "embeddings: the store's folder, and method.type vrp; or an embedding job "
            "(`vrp schema embed`)",
        )
    # Units of labels are larger than a file of embeddings should be.
    units = min(job.compute.images_per_unit, IMAGES_PER_UNIT)
    return EmbedJob(
        targets=job.targets,
        method=job.method,
        embeddings=job.embeddings,
        compute=job.compute.model_copy(update={"images_per_unit": units}),
        limits=job.limits,
        storage=job.storage,
        allow_random_weights=job.allow_random_weights,
    )


def read_document(path: Path) -> dict[str, Any]:
    """Return what a job file holds, as written. Raises BadInput for what is no mapping in YAML."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        document = load_yaml(data.decode("utf-8"), path.name) if len(data) <= MAX_BYTES else None
    except OSError as error:
        raise BadInput("a job file cannot be read", str(path), str(error), "a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput("a job file is not YAML", str(path), str(error), "a YAML file") from error
    if len(data) > MAX_BYTES:
        raise BadInput("a job file is too long", str(path), f"over {MAX_BYTES} bytes", "a job")
    if not isinstance(document, dict):
        got = type(document).__name__
        raise BadInput("a job file is not a job", str(path), got, "a mapping of keys to values")
    return document


def _override(document: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadInput("an override cannot be read", "--set", repr(text), "key.subkey=value")
    *parents, last = key.split(".")
    here: Any = document
    try:
        for name in parents:
            here = here[int(name)] if isinstance(here, list) else here.setdefault(name, {})
        if isinstance(here, list):
            here[int(last)] = load_yaml(value)
        else:
            here[last] = load_yaml(value)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            "an override does not fit the job", "--set", repr(text), "a key of the job file"
        ) from error
    except yaml.YAMLError as error:
        raise BadInput("an override is not YAML", "--set", repr(text), "a YAML value") from error


def _readable(error: ValidationError, path: Path, kind: type[Spec]) -> BadInput:
    """One line for each fault: the place in the file, what is wrong, what stands there."""
    faults = []
    schema = next((f" {name}" for name, known in KINDS.items() if known is kind), "")
    every = error.errors(include_url=False)
    for fault in every[:_FAULTS_SHOWN]:
        # A key may hold half a surrogate pair, which no terminal prints.
        key = (
            ".".join(
                ascii(step)[1:-1] if isinstance(step, str) and not step.isprintable() else str(step)
                for step in fault["loc"]
            )
            or "the job"
        )
        got = repr(fault["input"])
        shown = got if len(got) <= 80 and not isinstance(fault["input"], dict) else ""
        if key.startswith("storage"):
            shown = ""  # a mistyped secret is still a secret
        unknown = fault["type"] == "extra_forbidden"
        said = meant(str(fault["loc"][-1]), _keys_at(fault["loc"], kind)) if unknown else ""
        faults.append(f"{key}: {in_our_words(fault)}{said}{f', got {shown}' if shown else ''}")
    if len(every) > len(faults):
        faults.append(f"and {len(every) - len(faults)} more")
    return BadInput(
        f"the job has {len(every)} fault{'s' if len(every) > 1 else ''}",
        str(path),
        "\n          ".join(faults),
        f"the keys and values that `vrp schema{schema}` tells of",
    )


def _keys_at(place: Sequence[int | str], kind: type[Spec]) -> set[str]:
    """Return the job's own keys, or below it those of all its parts."""
    schema = kind.model_json_schema()
    parts = [schema] if len(place) == 1 else schema["$defs"].values()
    return {name for part in parts for name in part.get("properties", ())}
