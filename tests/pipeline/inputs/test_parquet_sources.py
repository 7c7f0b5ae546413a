"""Planning Parquet files: their columns are looked at before anything is read."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import BadInput
from schemas.job.storage import Storage
from tests.made.data.planned import names, parquet_source, plan
from tests.made.servers.places import Place


def parquet(schema: dict[str, pa.DataType]) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({name: pa.array([], kind) for name, kind in schema.items()})
    pq.write_table(table, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "image",
    [pa.binary(), pa.large_binary(), pa.struct({"bytes": pa.binary(), "path": pa.string()})],
)
@pytest.mark.parametrize(
    "id_type", [pa.string(), pa.int64(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet_columns_of_bytes_and_ids_are_accepted(
    tmp_path: Path, image: pa.DataType, id_type: pa.DataType
) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet({"image": image, "id": id_type}))
    shards = plan(parquet_source(str(tmp_path)), Place(str(tmp_path), Storage()))
    assert [(s.kind, s.name) for s in shards] == [("parquet", "a.parquet")]


@pytest.mark.parametrize(
    ("schema", "got"),
    [
        ({"id": pa.string(), "picture": pa.binary()}, "columns id, picture"),
        ({"image": pa.binary()}, "columns image"),
        ({"id": pa.string(), "image": pa.string()}, "string"),
        ({"id": pa.string(), "image": pa.list_(pa.uint8())}, "list"),
        ({"id": pa.float64(), "image": pa.binary()}, "double"),
    ],
)
def test_a_parquet_file_without_the_columns_is_refused_when_planned(
    place: Place, schema: dict[str, pa.DataType], got: str
) -> None:
    place.put({"a.parquet": parquet(schema)})
    with pytest.raises(BadInput, match=got) as raised:
        plan(parquet_source(place.uri), place)
    assert f"{place.uri}/a.parquet" in str(raised.value)


def test_parquet_columns_may_have_other_names(place: Place) -> None:
    place.put({"a.parquet": parquet({"key": pa.string(), "jpg": pa.binary()})})
    source = parquet_source(place.uri, image_column="jpg", id_column="key")
    assert names(plan(source, place)) == ["a.parquet"]


@pytest.mark.parametrize("data", [b"", b"not parquet", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused_when_planned(place: Place, data: bytes) -> None:
    place.put({"a.parquet": data})
    with pytest.raises(BadInput, match="a file that is not Parquet"):
        plan(parquet_source(place.uri), place)
