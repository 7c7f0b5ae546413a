"""Cut a commit into shares of consecutive parts, to be exported apart and at the same time."""

import re
from dataclasses import dataclass

from pipeline.output.commit import total_counts
from schemas.errors import BadInput
from schemas.record.commit import Commit, Counts


@dataclass(frozen=True)
class Share:
    """Share `number`, counted from 1, of `of` shares."""

    number: int = 1
    of: int = 1


WHOLE = Share()


@dataclass(frozen=True)
class CommitShare:
    """A commit with the share's parts and their counts, and the counts of the parts before."""

    commit: Commit
    before: Counts


def parse_share(text: str) -> Share:
    """Read N/OF, such as 3/64. Raises BadInput."""
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise BadInput("a share that is none", "--share", text, "N/OF, from 1/OF to OF/OF")
    return Share(int(match[1]), int(match[2]))


def cut_commit(commit: Commit, share: Share) -> CommitShare:
    """Return a share of a commit; shares differ by one part at most, and may be empty."""
    first, end = (len(commit.parts) * n // share.of for n in (share.number - 1, share.number))
    parts = commit.parts[first:end]
    return CommitShare(
        commit=commit.model_copy(update={"parts": parts, "counts": total_counts(parts)}),
        before=total_counts(commit.parts[:first]),
    )
