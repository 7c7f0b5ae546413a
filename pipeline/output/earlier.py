"""An earlier output and a job become which categories' rows are taken over, and why not others'.

A category's rows depend on its own references and on what all categories share. Where both agree,
the earlier rows are what a run from nothing would write; but not in jobs whose categories know of
each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.segmenter import LoadedReference
from pipeline.output.committed import read_committed
from pipeline.output.identity import identify
from pipeline.output.unit import unit_of
from pipeline.storage.place import Place
from schemas.errors import OtherJob
from schemas.fingerprint import differences
from schemas.job.label import LabelJob
from schemas.job.reference import Category
from schemas.job.weights import weights_of
from schemas.record.commit import Identity, Part, asked_with_field

CATEGORY, REFERENCE = "category ", "reference "
"""How the fields of an identity begin that belong to one category."""


@dataclass(frozen=True)
class Fate:
    """Whether a category's rows are taken over, and why."""

    category: Category
    kept: bool
    why: str


@dataclass(frozen=True)
class Earlier:
    """An earlier output as an actor needs it: values only.

    parts are by shard and number of their units; references are this job's, by category.
    """

    uri: str
    fates: tuple[Fate, ...]
    parts: Mapping[tuple[str, int], Part]
    references: Mapping[int, tuple[str, ...]]
    fingerprint: str

    @property
    def kept(self) -> frozenset[int]:
        """Ids of the categories whose rows are taken over."""
        return frozenset(fate.category.id for fate in self.fates if fate.kept)


def read_earlier(
    job: LabelJob, identity: Identity, references: Sequence[LoadedReference]
) -> Earlier | None:
    """Compare the earlier output that a job names with the job; None where it names none.

    Raises OtherJob where more than categories differs, BadStorage where there is no commit.
    """
    if job.earlier is None:
        return None
    commit, before = read_committed(Place.open(job.earlier, job.storage))
    coupled = coupling(job)
    if coupled is None and (other := differences(_shared(before), _shared(identity))):
        raise OtherJob(
            "an earlier output whose labels differ by more than their references",
            f"earlier: {job.earlier}",
            "\n          ".join(other),
            "the same weights, method and thresholds, or a job without earlier",
        )
    fates = tuple(_fate(category, before, identity, coupled) for category in identity.categories)
    named = {(unit.shard_id, unit.number): part for part in commit.parts if (unit := unit_of(part))}
    return Earlier(
        uri=job.earlier,
        fates=fates,
        parts=named if any(fate.kept for fate in fates) else {},
        references={
            category.id: tuple(r.id for r in references if r.category_id == category.id)
            for category in identity.categories
        },
        fingerprint=identity.fingerprint,
    )


def coupling(job: LabelJob) -> str | None:
    """Return why a category's rows depend on the other categories, None where they do not."""
    if job.overlaps == "argmax":
        return "overlaps: argmax gives a pixel to one category, which depends on all of them"
    if job.thresholds.decide_presence:
        return (
            "thresholds.precision and recall: the probability is learned from all references, and "
            "compares a category with the others"
        )
    return None


def may_be_earlier(job: LabelJob, before: Identity) -> bool:
    """Return whether `read_earlier` would take rows over, as far as is known without weights."""
    if coupling(job) is not None:
        return False
    places = weights_of(job.method)
    wanted = _shared(identify(job, (), dict.fromkeys(places, "")))
    return {**_shared(before), **dict.fromkeys(places, "")} == wanted


def _shared(identity: Identity) -> dict[str, str]:
    """Return the fields that belong to no category."""
    own = (CATEGORY, REFERENCE)
    return {key: value for key, value in identity.fields.items() if not key.startswith(own)}


def _fate(category: Category, before: Identity, now: Identity, coupled: str | None) -> Fate:
    name = category.name
    known = {one.name: one.id for one in before.categories}
    had, has = _references(before, name), _references(now, name)
    asked = asked_with_field(category.id)
    if name not in known:
        return Fate(category, kept=False, why="new")
    if coupled is not None:
        return Fate(category, kept=False, why=coupled)
    if known[name] != category.id:
        why = f"its id was {known[name]} and is {category.id}; `categories` keeps ids"
        return Fate(category, kept=False, why=why)
    if had != has:
        why = f"references: {len(has - had)} added, {len(had - has)} dropped or changed"
        return Fate(category, kept=False, why=why)
    if before.fields.get(asked) != now.fields.get(asked):
        why = f"asked with {now.fields.get(asked, 'all of its references')}"
        return Fate(category, kept=False, why=why)
    return Fate(category, kept=True, why=f"the same references: {len(has)}")


def _references(identity: Identity, category: str) -> set[str]:
    fields = identity.fields.items()
    return {key for key, name in fields if key.startswith(REFERENCE) and name == category}
