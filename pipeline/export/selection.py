"""Say which of a commit's masks are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.output.share import WHOLE, Share
from schemas.errors import BadInput
from schemas.job.reference import Category
from schemas.record.commit import Commit, Identity
from schemas.record.verdict import Reviewed


@dataclass(frozen=True)
class Selection:
    """Masks of at least min_score, of these categories, in a share of the parts.

    A category is a name, or several with commas between them; none named: all. One mask for each
    category of an image, or, with `instances`, one for each object. With `reviewed`, what people
    said of them in the studio counts.
    """

    min_score: float = 0.0
    categories: Sequence[str] = ()
    instances: bool = False
    share: Share = WHOLE
    reviewed: Reviewed | None = None

    def chosen(self, commit: Commit) -> tuple[Category, ...]:
        """Return the wanted categories of a commit. Raises BadInput for a name it lacks."""
        if not self.categories:
            return commit.categories
        names = {category.name for category in commit.categories}
        # A name may have a comma of its own.
        texts = [[text] if text in names else text.split(",") for text in self.categories]
        wanted = {name for parts in texts for name in parts}
        if unknown := sorted(wanted - names):
            raise BadInput(
                "categories that these labels do not have",
                "--categories",
                ", ".join(unknown),
                f"some of {', '.join(sorted(names))}",
            )
        return tuple(category for category in commit.categories if category.name in wanted)

    def check(self, identity: Identity, output: str) -> None:
        """Raise BadInput for objects that no job made."""
        if self.instances and "instances.by" not in identity.fields:
            raise BadInput(
                "labels without single objects",
                output,
                "one mask for each category of an image",
                "labels of a job with a key `instances`, or an export without --instances",
            )
        if self.instances and self.reviewed:
            raise BadInput(
                "verdicts on single objects",
                "--instances, --reviewed",
                "both",
                "one of them: what is reviewed is one mask for each category of an image",
            )

    def wants(self, row: Mapping[str, Any]) -> bool:
        """True for a row with a mask that is to be exported, whatever its category.

        Of a job that decides whether objects are there, what is for review is no label yet. What a
        person vouched for (`pipeline.export.reviewed`) passes any score.
        """
        return (
            row["status"] == "labelled"
            and row["decision"] != "review"
            and (row["instance_id"] is not None) == self.instances
            and (row["score"] >= self.min_score or "vouched" in row)
        )
