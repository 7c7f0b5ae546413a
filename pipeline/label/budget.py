"""Stop a job that goes wrong early: a budget of rejected images."""

from collections import Counter
from collections.abc import Iterable

from pipeline.output.committed import read_rejected
from pipeline.output.paths import REJECTED
from pipeline.storage.place import Place
from schemas.errors import TooManyRejected
from schemas.job.compute import Limits
from schemas.record.commit import Part

# A share is not judged before: one bad image among the first ten is no tenth of a collection.
IMAGES_TO_JUDGE = 200


class RejectedBudget:
    """Counts an output's images, those of earlier runs included, against limits.max_rejected."""

    def __init__(self, output: Place, limits: Limits, before: Iterable[Part]) -> None:
        self._output, self._limit = output, limits.max_rejected
        self._images = 0
        self._with_rejected: list[Part] = []
        for part in before:
            self._count(part)

    def add(self, part: Part) -> None:
        """Count a part. Raises TooManyRejected."""
        self._count(part)
        self.check(judge_from=IMAGES_TO_JUDGE)

    def check(self, judge_from: int = 0) -> None:
        """Raise TooManyRejected, with the reasons, if the budget is spent."""
        rejected = sum(part.rejected for part in self._with_rejected)
        match self._limit:
            case None:
                return
            case int(allowed):
                pass
            case share:
                if self._images < judge_from:
                    return
                allowed = float(share.rstrip("%")) / 100 * self._images
        if rejected > allowed:
            reasons = Counter(
                reason
                for table in read_rejected(self._output, self._with_rejected)
                for reason in table["reason"].to_pylist()
            )
            listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            raise TooManyRejected(
                "too many images are rejected",
                self._output.below(REJECTED).uri,
                f"{rejected} of {self._images} images: {listed}",
                f"at most {self._limit} (limits.max_rejected); mend the inputs or raise it, and "
                "run the same command to go on",
            )

    def _count(self, part: Part) -> None:
        self._images += part.images
        if part.rejected:
            self._with_rejected.append(part)
