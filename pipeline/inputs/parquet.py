"""Turn a Parquet file's rows into encoded images, a few rows in memory at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import BadInput, ImageRejected
from schemas.job.source import ParquetImages

# Rows decoded at once. A row group may hold gigabytes of images; 32 of some 100 KB are 3 MB.
_BATCH_ROWS = 32
# Column pages are read through a buffer of this size instead of the whole column chunk at once.
_BUFFER_BYTES = 2**20

Image = tuple[bytes | None, str | None]
"""A row's bytes, or else the path that stands in their place."""


@dataclass(frozen=True)
class ParquetRow:
    """One row: its id as text and its image, None where null; `data` is None too if not wanted."""

    id: str | None
    data: bytes | None
    path: str | None = None  # of a struct without bytes: where somebody's image lies
    fault: ImageRejected | None = None


def open_parquet(file: BinaryIO, uri: str) -> pq.ParquetFile:
    """Read a Parquet file's footer. Raises BadInput if it is no Parquet file."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        _raise_if_storage(error)
        raise BadInput(
            "a file that is not Parquet", uri, str(error), "a Parquet file with its footer"
        ) from error


def check_columns(schema: pa.Schema, source: ParquetImages, uri: str) -> None:
    """Raise BadInput unless the file has the source's two columns, of usable types."""
    for column in (source.image_column, source.id_column):
        if column not in schema.names:
            raise BadInput(
                "a Parquet file without a column of the job",
                uri,
                f"columns {', '.join(schema.names)}",
                f"a column {column!r}, or another image_column and id_column",
            )
        if schema.names.count(column) > 1:
            raise BadInput(
                "a Parquet file with two columns of one name",
                uri,
                f"columns {', '.join(schema.names)}",
                f"one column {column!r}: which of them is meant is not ours to guess",
            )
    image_type = schema.field(source.image_column).type
    if not _is_binary(image_type) and not _has_bytes(image_type):
        raise BadInput(
            "a Parquet column that holds no encoded images",
            f"{uri}, column {source.image_column!r}",
            str(image_type),
            "binary, or a struct with a binary field `bytes`",
        )
    id_type = schema.field(source.id_column).type
    if not (pa.types.is_integer(id_type) or _is_text(id_type)):
        raise BadInput(
            "a Parquet column that holds no ids",
            f"{uri}, column {source.id_column!r}",
            str(id_type),
            "text or integers",
        )


def read_parquet(
    file: BinaryIO, source: ParquetImages, uri: str, wanted: Callable[[int], bool]
) -> Iterator[ParquetRow]:
    """Yield every row of a Parquet file, in order; images are read only of rows `wanted`.

    A row group that cannot be read yields a `decode` fault for each of its rows, a file without a
    readable footer one `truncated-shard` fault. Raises BadInput for missing columns, and OSError
    and BadStorage as the file does.
    """
    try:
        parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        check_columns(parquet.schema_arrow, source, uri)
        column = parquet.read([source.id_column], use_threads=False).column(0)
        ids: list[str | None] = pc.cast(column, pa.string()).to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        _raise_if_storage(error)
        message = f"no readable Parquet file: {error}"
        yield ParquetRow(None, None, fault=ImageRejected("truncated-shard", message))
        return
    row = 0
    for group in range(parquet.num_row_groups):
        end = row + parquet.metadata.row_group(group).num_rows
        try:
            for data, path in _images(parquet, source, group, range(row, end), wanted):
                yield ParquetRow(ids[row], data, path)
                row += 1
        except (pa.ArrowException, OSError) as error:
            _raise_if_storage(error)
            fault = ImageRejected("decode", f"row group {group} cannot be read: {error}")
            while row < end:
                yield ParquetRow(ids[row], None, fault=fault)
                row += 1


def _images(
    parquet: pq.ParquetFile,
    source: ParquetImages,
    group: int,
    rows: range,
    wanted: Callable[[int], bool],
) -> Iterator[Image]:
    if not any(wanted(row) for row in rows):
        yield from ((None, None) for _ in rows)
        return
    kind = parquet.schema_arrow.field(source.image_column).type
    nested = [f"{source.image_column}.{name}" for name in _fields(kind)]
    batches = parquet.iter_batches(
        _BATCH_ROWS,
        row_groups=[group],
        columns=nested or [source.image_column],
        use_threads=False,
    )
    row = rows.start
    for batch in batches:
        for data, path in _values(batch.column(0)):
            yield (data, path) if wanted(row) else (None, None)
            row += 1


def _fields(kind: pa.DataType) -> list[str]:
    """Return the fields that are read of a struct, none of another type."""
    return [f.name for f in kind if f.name in ("bytes", "path")] if _has_bytes(kind) else []


def _values(column: pa.Array) -> Iterator[Image]:
    if not pa.types.is_struct(column.type):
        yield from ((value.as_py(), None) for value in column)
        return
    # flatten keeps the nulls of the struct itself.
    fields = dict(zip((field.name for field in column.type), column.flatten(), strict=True))
    paths = fields.get("path", [None] * len(column))
    for data, path in zip(fields["bytes"], paths, strict=True):
        # Paths can be as long as the images: they are told only where there is no image.
        yield (data.as_py(), None) if data.is_valid or path is None else (None, path.as_py())


def _is_binary(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _has_bytes(kind: pa.DataType) -> bool:
    # How Hugging Face datasets store images: struct<bytes: binary, path: string>.
    return pa.types.is_struct(kind) and any(
        field.name == "bytes" and _is_binary(field.type) for field in kind
    )


def _raise_if_storage(error: Exception) -> None:
    # Both damage and storage reach us as OSError; only the system's and ours carry an errno.
    if isinstance(error, OSError) and error.errno is not None:
        raise error
