"""Turn a table into the bytes of a Parquet file, and back."""

import io

import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file: the same table gives the same bytes."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(data: bytes) -> pa.Table:
    """Return the table of a Parquet file's bytes. Raises ArrowInvalid for others."""
    return pq.read_table(io.BytesIO(data))
