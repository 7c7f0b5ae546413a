"""A unit of encoded images as one row of a table, and back: what Ray carries between processes."""

import pyarrow as pa

from pipeline.inputs.shards import EncodedImage, Unit
from schemas.errors import ImageRejected

# Encoded bytes only: a unit of 256 JPEGs is some 30 MB here, decoded it would be 800.
UNIT_SCHEMA = pa.schema(
    [
        ("shard_id", pa.string()),
        ("number", pa.int32()),
        ("last", pa.bool_()),
        (
            "images",
            pa.large_list(
                pa.struct(
                    [
                        ("image_id", pa.string()),
                        ("uri", pa.string()),
                        ("data", pa.large_binary()),  # 32-bit offsets end at 2 GiB a unit
                        ("reason", pa.string()),  # null: no fault found in reading
                        ("message", pa.string()),
                    ]
                )
            ),
        ),
    ]
)


def unit_to_table(unit: Unit) -> pa.Table:
    """Pack a unit as one row of UNIT_SCHEMA."""
    images = [
        {
            "image_id": image.image_id,
            "uri": image.uri,
            "data": image.data,
            "reason": image.fault.reason if image.fault else None,
            "message": image.fault.message if image.fault else None,
        }
        for image in unit.images
    ]
    row = {
        "shard_id": unit.shard_id,
        "number": unit.number,
        "last": unit.last,
        "images": images,
    }
    return pa.Table.from_pylist([row], schema=UNIT_SCHEMA)


def table_to_units(table: pa.Table) -> list[Unit]:
    """Unpack the rows of UNIT_SCHEMA."""
    return [
        Unit(
            shard_id=row["shard_id"],
            number=row["number"],
            last=row["last"],
            images=tuple(_image(image) for image in row["images"]),
        )
        for row in table.to_pylist()
    ]


def _image(row: dict) -> EncodedImage:
    fault = ImageRejected(row["reason"], row["message"]) if row["reason"] else None
    return EncodedImage(row["image_id"], row["uri"], row["data"], fault)
