"""The rows on storage: one per image and category, its objects where asked for, one per unusable
image, and one for what a person said of a label.
"""

from collections.abc import Collection

import pyarrow as pa

LABEL_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),  # unique in the output
        ("uri", pa.string()),  # the file, or the shard and member: s3://b/a.tar#cat_01.jpg
        ("height", pa.int32()),  # of the displayed image, EXIF orientation applied
        ("width", pa.int32()),
        ("exif_orientation", pa.int8()),  # as found in the file; 1 when absent
        ("category_id", pa.int32()),
        ("category", pa.string()),
        ("status", pa.string()),  # "labelled", or "empty": no mask passed the thresholds
        ("rle_counts", pa.string()),  # COCO compressed RLE of size (height, width)
        ("box_xywh", pa.list_(pa.float32(), 4)),  # tight box of the mask; zeros when empty
        ("area_px", pa.int64()),
        ("score", pa.float32()),  # SAM's predicted IoU, also of a mask the thresholds discarded
        ("stability", pa.float32()),  # IoU of the masks at logits +1 and -1, likewise
        ("references", pa.list_(pa.string())),  # reference ids used: first 12 digits of a hash
        ("job_fingerprint", pa.string()),
        ("model_fingerprint", pa.string()),
        ("random_weights", pa.bool_()),  # True: untrained weights, the mask means nothing
        ("presence", pa.float32()),  # how sure the method is that it is there; null: it says not
        ("instance_id", pa.int32()),  # 1, 2, … of one object; null: the row of the whole category
        ("probability", pa.float32()),  # that the object is there; null: the job does not ask
        ("decision", pa.string()),  # "labelled", "absent" or "review", by it; likewise
        # Of `references`, where the method chose the best for the image: how much each counts.
        ("reference_weights", pa.list_(pa.float32())),
    ]
)

DECIDED_COLUMNS = ("probability", "decision")
"""What only jobs write that ask for a precision or a recall."""

ROUTED_COLUMNS = ("reference_weights",)
"""What only jobs write whose images are asked with the best of many references."""

ASKED_COLUMNS = (*DECIDED_COLUMNS, *ROUTED_COLUMNS)
"""What parts of all other jobs lack."""

ADDED_COLUMNS = ("presence", "instance_id", *ASKED_COLUMNS)
"""What parts lack that were written before there was such a column: null in all their rows."""


def schema_with(asked: Collection[str]) -> pa.Schema:
    """Return the columns of a job's rows; asked are those of ASKED_COLUMNS that it writes."""
    lacking = set(ASKED_COLUMNS) - set(asked)
    return pa.schema([field for field in LABEL_SCHEMA if field.name not in lacking])


PLAIN_SCHEMA = schema_with(())
"""The rows of a job that neither decides nor chooses among references."""

REJECTED_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("uri", pa.string()),
        ("reason", pa.string()),  # schemas.errors.RejectReason
        ("message", pa.string()),
        ("bytes_sha256", pa.string()),  # "" when there were no bytes to hash
        ("bytes", pa.int64()),
        ("job_fingerprint", pa.string()),
    ]
)

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
