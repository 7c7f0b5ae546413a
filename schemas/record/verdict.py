"""What a person says of a label: a row beside the commit, never an edit of the label."""

from typing import Literal, get_args

Verdict = Literal[
    "accepted",  # right as it is: the mask, or that there is none
    "rejected",  # wrong, and nobody has mended it
    "absent",  # the image does not show the category at all
    "corrected",  # the mask of this row is the right one
    "withdrawn",  # undone: as if nobody had looked
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Reviewed = Literal["accepted", "corrected", "all"]
"""Which masks an export holds by verdict: accepted as made; those and corrected ones; all masks but
those found to be wrong, corrected where they are.
"""
