"""Say what a rerun of a job would do, and why: a checked job becomes a few counted lines."""

from collections import Counter
from dataclasses import dataclass

from model.presence.decide import LEAST_EXAMPLES
from model.segmenter import by_category
from pipeline.label.check import CheckedJob
from pipeline.output.attempts import list_begun
from pipeline.output.plan import Plan
from pipeline.output.unit import list_units
from pipeline.presence.choose import photos_left_out
from schemas.record.commit import Shard, asked_with_field

NAMED = 5
"""Shards named on a line; a plan may have a million."""


@dataclass(frozen=True)
class Prospect:
    """So many shards or units, what would be done with them, and why."""

    what: str
    count: int
    why: str


def outlook(checked: CheckedJob) -> list[Prospect]:
    """Sort a plan's shards by what a run would do now. Reads two listings, writes nothing."""
    new = {shard.id for shard in checked.plan.new}
    begun = [(shard, done) for shard, done in checked.unfinished if done]
    fresh = [shard for shard, done in checked.unfinished if not done and shard.id in new]
    waiting = [shard for shard, done in checked.unfinished if not done and shard.id not in new]
    left_alone = len(checked.plan.shards) - len(checked.unfinished)
    committed = list_units(checked.output)
    begun_units = list_begun(checked.output, committed)
    prospects = [
        Prospect("label new shards", len(fresh), f"in no earlier plan: {_names(fresh)}"),
        Prospect("label waiting shards", len(waiting), f"nothing committed yet: {_names(waiting)}"),
        Prospect(
            "go on with begun shards",
            len(begun),
            "; ".join(
                f"{shard.name}: {len(done)} units committed" for shard, done in begun[:NAMED]
            ),
        ),
        Prospect(
            "try units again",
            len(begun_units),
            "begun, not committed: a process died or was stopped; done batch by batch, and image "
            f"by image where it died: {', '.join(begun_units[:NAMED])}",
        ),
        *_of_categories(checked),
        Prospect("leave shards alone", left_alone, "every unit is committed, or the shard is gone"),
        Prospect("take inputs for moved", len(checked.plan.moved), said_of_moved(checked.plan)),
        Prospect(
            "report vanished inputs",
            len(checked.plan.vanished),
            f"planned, and gone now; labels stay: {', '.join(checked.plan.vanished[:NAMED])}",
        ),
        Prospect("write commit.json", int(not checked.done), _commit_reason(checked)),
    ]
    return [prospect for prospect in prospects if prospect.count]


def said_of_moved(plan: Plan) -> str:
    """Say which inputs count as known though they lie elsewhere now, "" if none does."""
    if not plan.moved:
        return ""
    name, before, now = plan.moved[0]
    return (
        f"of the names of planned ones that are gone from their folders, so the same: {name}, "
        f"planned at {before}, is {now}; if these are other images, name another output"
    )


def advice(checked: CheckedJob) -> list[str]:
    """Say of categories with many references that an image is asked with the best few of them.

    And of negatives that change nothing, where no reference can be left out beside them.
    """
    counts = Counter(reference.category_id for reference in checked.references)
    said = [
        f"{category.name} has {counts[category.id]} references, and an image is asked with "
        f"{asked}: method.best_references: all asks with all, in many times the time"
        for category in checked.identity.categories
        if (asked := checked.identity.fields.get(asked_with_field(category.id)))
    ]
    if checked.presence is not None and checked.presence.negatives:
        photos = photos_left_out(checked.references)
        shown = sum(len(by_category(photo)) for photo in photos)
        if shown < LEAST_EXAMPLES:
            said.append(
                "the negatives change nothing: they count beside photos of references that the "
                "others' categories can do without, and there "
                f"{'is one category in such' if shown else 'are none'}; wanted another reference "
                "of each category, in another photo"
            )
    return said


def _of_categories(checked: CheckedJob) -> list[Prospect]:
    """Say which categories' rows are taken from an earlier output, and which are made anew."""
    if checked.earlier is None:
        return []
    fates = checked.earlier.fates
    kept = [fate.category.name for fate in fates if fate.kept]
    anew = [f"{fate.category.name}: {fate.why}" for fate in fates if not fate.kept]
    same = f"the same references as in {checked.earlier.uri}, where it has the same units"
    return [
        Prospect("keep categories", len(kept), f"{same}: {', '.join(kept)}"),
        Prospect("redo categories", len(anew), "; ".join(anew)),
    ]


def _commit_reason(checked: CheckedJob) -> str:
    if checked.commit is None:
        return "there is none"
    return f"the one there lists {checked.commit.shards} shards, or parts since replaced"


def _names(shards: list[Shard]) -> str:
    names = ", ".join(shard.name for shard in shards[:NAMED])
    return f"{names}, …" if len(shards) > NAMED else names
