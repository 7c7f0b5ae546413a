"""A job that asks whether objects are there becomes what an actor needs to know to say so."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

import model.presence
from model.local_files import whole_file
from model.presence.decide import Wanted, thresholds
from model.presence.head import FittedFor
from model.segmenter import LoadedReference
from pipeline.images.decode import decode_image
from pipeline.storage.place import Place
from pipeline.weights.catalogue import CATALOGUE
from schemas.errors import BadInput, ImageRejected
from schemas.faults import faults_of
from schemas.job.label import LabelJob
from schemas.job.method import Method, Vrp
from schemas.job.reference import Box, Points, Scribbles
from schemas.job.storage import Storage
from schemas.job.weights import weights_of
from schemas.record.presence import HEADS, PresenceHead

PUBLISHED = Path(model.presence.__file__).with_name("heads.json")
"""The heads that come with the product, made by `vrp presence fit`."""

OWN = "own"
"""What weights are called that have no published name, in heads."""


@dataclass(frozen=True)
class PresenceTask:
    """Values only: the head of the job's method, images without its categories, what is wanted."""

    head: PresenceHead
    negatives: tuple[np.ndarray, ...]
    negative_hashes: tuple[str, ...]
    wanted: Wanted

    def fields(self, job: LabelJob) -> Mapping[str, str]:
        """Return what an output's identity depends on besides the thresholds."""
        lite = isinstance(job.method, Vrp) and job.method.sam.type == "lite"
        partly = any(isinstance(r.annotation, Box | Points | Scribbles) for r in job.references)
        return {
            "presence.head": f"sha256:{hash_of(self.head)}",
            # Until 2026-11-28 what was drawn counted as the object.
            **({"presence.references": "completed"} if lite and partly else {}),
            **{f"negative {digest}": "absent" for digest in self.negative_hashes},
        }


def presence_task(job: LabelJob) -> PresenceTask | None:
    """Read what a job names for presence, None for one that does not ask.

    Raises BadInput: no head for its method, one that cannot promise the precision, or an image that
    cannot be used.
    """
    asked = job.thresholds
    if not asked.decide_presence:
        return None
    head = head_of(job)
    wanted = Wanted(asked.precision, asked.recall, asked.share)
    thresholds(head, wanted)  # before any work: raises where it cannot be promised
    data = [Place.open(uri, job.storage).read() for uri in job.negatives]
    return PresenceTask(
        head,
        tuple(_decoded(one, job, place) for place, one in enumerate(data)),
        tuple(sorted({hashlib.sha256(one).hexdigest()[:12] for one in data})),
        wanted,
    )


def check_negatives(
    task: PresenceTask, references: Sequence[LoadedReference], names: Sequence[str]
) -> None:
    """Raise BadInput for an image that shows a category and is said to show none.

    names are the negatives', as the job has them.
    """
    for reference in references:
        for name, negative_HW3 in zip(names, task.negatives, strict=True):
            if np.array_equal(reference.image_HW3, negative_HW3):
                raise BadInput(
                    "a negative image that is a reference's too",
                    name,
                    f"the image of reference {reference.id}",
                    "images that show none of the job's categories",
                )


def head_of(job: LabelJob) -> PresenceHead:
    """Return the head of the job's method and weights. Raises BadInput where there is none."""
    return head_for(job.method, job.presence_head, job.storage)


def head_for(method: Method, address: str | None, storage: Storage) -> PresenceHead:
    """Return a method's head of a file of heads; None: of those that come with the product.

    Raises BadInput where there is none.
    """
    data = PUBLISHED.read_bytes() if address is None else Place.open(address, storage).read()
    return _chosen(parse_heads(data, address or str(PUBLISHED)), method)


def put_head(path: Path, head: PresenceHead) -> None:
    """Put a head into a file of heads, in the place of one for the same networks."""
    known = parse_heads(path.read_bytes(), str(path)) if path.is_file() else ()
    of_others = [one for one in known if _is_for(one) != _is_for(head)]
    heads = sorted([*of_others, head], key=lambda one: str(_is_for(one)))
    with whole_file(path) as written:
        written.write_bytes(HEADS.dump_json(tuple(heads), indent=1) + b"\n")


def hash_of(head: PresenceHead) -> str:
    """Return the sha256 of what a head's log-odds, and thresholds on them, are made of.

    How many examples there were only says which precision it can promise.
    """
    told = head.model_dump_json(exclude={"absent_examples"})
    return hashlib.sha256(told.encode()).hexdigest()


def parse_heads(data: bytes, where: str) -> tuple[PresenceHead, ...]:
    """Read a file of heads. Raises BadInput."""
    try:
        return HEADS.validate_json(data)
    except ValidationError as error:
        raise BadInput(
            "a presence head that cannot be read", where, faults_of(error),
            "a file of `vrp presence fit`",
        ) from error  # fmt: skip


def networks_of(method: Method) -> FittedFor:
    """Return what a head is for. Weights that are not published are all called `own`."""
    backbone = method.backbone
    names = weights_of(method).values()
    return FittedFor(
        method.type,
        method.sam.type,
        None if backbone is None else backbone.type,
        tuple(dict.fromkeys(name if name in CATALOGUE else OWN for name in names)),
    )


def _chosen(heads: Sequence[PresenceHead], method: Method) -> PresenceHead:
    of_method = networks_of(method)
    for head in heads:
        if _is_for(head) == of_method:
            return head
    known = [str(_is_for(head)) for head in heads]
    raise BadInput(
        "no presence head for the job's method",
        f"method {method.type}",
        str(of_method),
        f"one of {'; '.join(known) or 'none'}; or `vrp presence fit JOB.yaml --to head.json`, and "
        "presence_head: head.json in the job",
    )


def _is_for(head: PresenceHead) -> FittedFor:
    return FittedFor(head.method, head.sam, head.backbone, head.networks)


def _decoded(data: bytes, job: LabelJob, place: int) -> np.ndarray:
    try:
        return decode_image(data, job.limits).pixels_HW3
    except ImageRejected as rejected:
        raise BadInput(
            "a negative image cannot be used", f"negatives[{place}] ({job.negatives[place]})",
            str(rejected), "a readable image",
        ) from rejected  # fmt: skip
