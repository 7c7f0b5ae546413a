"""What a person says of a label: a row beside the commit, never an edit of the label."""

from typing import Literal, get_args

import pyarrow as pa

Verdict = Literal[
    "accepted",  # right as it is: the mask, or that there is none
    "rejected",  # wrong, and nobody has mended it
    "absent",  # the image does not show the category at all
    "corrected",  # the mask of this row is the right one
    "withdrawn",  # undone: as if nobody had looked
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

VERDICT_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("category_id", pa.int32()),
        ("verdict", pa.string()),
        ("height", pa.int32()),  # of the displayed image, as in the label
        ("width", pa.int32()),
        ("rle_counts", pa.string()),  # COCO compressed RLE of a corrected mask, "" for others
        ("reviewer", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),  # of the newest two verdicts the later counts
        ("seconds", pa.float32()),  # between the label's being shown and the verdict
        ("job_fingerprint", pa.string()),  # of the commit that was looked at
    ]
)
