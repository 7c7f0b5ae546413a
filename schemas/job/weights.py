"""Names of weights: where they stand in a method, and what they may be."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo

from schemas.fingerprint import leaves
from schemas.spec import Spec, resolve_uri

SpecT = TypeVar("SpecT", bound=Spec)


def random_seed(weights: str) -> int | None:
    """Return the seed of `random` or `random:SEED`, None for weights that are a file."""
    name, _, seed = weights.partition(":")
    if name != "random":
        return None
    return int(seed or 0)


def check_trained(untrained: Sequence[str], why: str, *, allowed: bool) -> None:
    """Raise ValueError for places with random weights, unless the job allows them."""
    if untrained and not allowed:
        raise ValueError(
            f"{', '.join(untrained)} = random: {why}; name trained weights, or set "
            "allow_random_weights: true for a trial"
        )


WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt")


def _named_or_resolved(weights: str, info: ValidationInfo) -> str:
    """Make a relative path one beside the job file; no name of a published file looks like one."""
    try:
        seed = random_seed(weights)
    except ValueError:
        raise ValueError(f"weights {weights!r}; wanted random or random:NUMBER") from None
    is_path = "/" in weights or weights.endswith(WEIGHTS_SUFFIXES)
    return resolve_uri(weights, info) if seed is None and is_path else weights


Weights = Annotated[
    str,
    Field(
        min_length=1,
        description="A name of `vrp weights list`, a path (a relative one lies beside the job "
        "file), an s3:// or https:// address, or `random` / `random:SEED` (needs "
        "allow_random_weights).",
    ),
    AfterValidator(_named_or_resolved),
]


def weights_of(method: Spec) -> dict[str, str]:
    """Return every weights name of a method by its place in the job, for checks and identity.

    They are the fields called `weights`, of the method and of the networks in it.
    """
    places = leaves("method", method.model_dump(mode="json"))
    return {place: value for place, value in places if place.endswith(".weights")}


def sam_contents_in(contents: Mapping[str, str]) -> str:
    """Return what SAM's weights hold, its trunk's among them, of what each place holds."""
    of_sam = [place for place in contents if place.startswith("method.sam.")]
    return " ".join(contents[place] for place in of_sam if place.endswith(".weights"))


def with_weights(method: SpecT, weights: dict[str, str]) -> SpecT:
    """Return the method with its weights names replaced, by the keys of `weights_of`."""
    return _with_weights("method", method, weights)


def _with_weights(place: str, spec: SpecT, weights: dict[str, str]) -> SpecT:
    update: dict[str, object] = {}
    for name in type(spec).model_fields:
        inner, value = f"{place}.{name}", getattr(spec, name)
        if inner in weights:
            update[name] = weights[inner]
        elif isinstance(value, Spec) and any(key.startswith(f"{inner}.") for key in weights):
            update[name] = _with_weights(inner, value, weights)
    return spec.model_copy(update=update)
