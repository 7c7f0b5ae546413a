"""Write a commit's rows, and no others, as a few Parquet files that a data set library loads.

A glob over an output's own `labels/` finds the parts of earlier tries too. The files hold the rows
as committed (LABEL_SCHEMA) with the number and the file name that other exports give the image.
"""

import json
from collections.abc import Sequence
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.export.labels import Image, Labels
from pipeline.export.rejected import REJECTED, Exported, listing_rejected
from pipeline.export.selection import Selection
from pipeline.storage.place import Place
from pipeline.storage.stream_out import stream_out
from schemas.errors import BadInput
from schemas.job.storage import Storage
from schemas.record.commit import Part
from schemas.record.row import DECIDED_COLUMNS, ROUTED_COLUMNS, schema_with

CARD = "README.md"  # where the data set library looks for a data set's description
SPLIT = "labels"
FILE_BYTES = 128 * 2**20  # of parts in one file, so that files are few and each is read in seconds
ADDED = (pa.field("image_number", pa.int64()), pa.field("file_name", pa.string()))

ALL = Selection()


def export_parquet(
    output_uri: str, storage: Storage, to: str, selection: Selection = ALL
) -> Exported:
    """Write the rows committed below output_uri to the folder `to`, which holds nothing else.

    Rows of single objects are among them. A mask below the selection's score has no row; images
    without a mask keep those that say so. Raises BadInput for a folder with files of something
    else, BadStorage as `export_coco`.
    """
    labels = Labels.open(output_uri, storage, selection)
    folder = Place.open(to, storage)
    files = _file_of_each(labels.commit.parts)
    _check_folder(folder, {CARD, REJECTED, *files})
    schema = _schema(labels)
    exported = Exported()
    rows = size_bytes = 0
    with listing_rejected(labels, folder.below(REJECTED), exported) as counted:
        parts = zip(files, labels.parts(), strict=True)
        for name, own in groupby(parts, key=lambda part: part[0]):
            with (
                stream_out(folder.below(name)) as file,
                pq.ParquetWriter(file, schema, compression="zstd") as writer,
            ):
                for _, (_, table, images) in own:
                    chosen = _chosen(table, labels, list(counted(images)))
                    writer.write_table(chosen)
                    rows += len(chosen)
                    size_bytes += chosen.nbytes
    folder.below(CARD).replace(_card(labels, {"num_examples": rows, "num_bytes": size_bytes}))
    return exported


def _schema(labels: Labels) -> pa.Schema:
    """Return the columns of the files: what not every job writes is there where this one does."""
    decided = DECIDED_COLUMNS if labels.commit.presence is not None else ()
    routed = ROUTED_COLUMNS if labels.identity.chooses_references else ()
    return pa.schema([*ADDED, *schema_with((*decided, *routed))])


def _file_of_each(parts: Sequence[Part]) -> list[str]:
    """Return the file that each part's rows go to, which follows from the parts before it."""
    names: list[str] = []
    before = 0
    for part in parts:
        names.append(f"data/{before // FILE_BYTES:05d}.parquet")
        before += part.bytes
    return names


def _check_folder(folder: Place, names: set[str]) -> None:
    # Hidden: what an export that was killed had begun.
    there = {n for n in folder.files() if "/." not in f"/{n}"}
    if strange := sorted(there - names):
        raise BadInput(
            "a folder with other files", folder.uri, ", ".join(strange[:3]), "an empty folder"
        )


def _chosen(table: pa.Table, labels: Labels, images: Sequence[Image]) -> pa.Table:
    """Return the wanted rows with the columns of `_schema`."""
    schema = _schema(labels)
    order = {image.image_id: place for place, image in enumerate(images)}
    places = pa.array([order[one] for one in table["image_id"].to_pylist()], pa.int64())
    added = (
        pa.array([image.number for image in images], pa.int64()).take(places),
        pa.array([image.file_name for image in images], pa.string()).take(places),
    )
    for place, (field, column) in enumerate(zip(ADDED, added, strict=True)):
        table = table.add_column(place, field, column)
    wanted = pa.array([category.id for category in labels.categories], pa.int32())
    low = (pc.field("status") == "labelled") & (pc.field("score") < labels.selection.min_score)
    return (
        table.filter(pc.field("category_id").isin(wanted) & ~low).select(schema.names).cast(schema)
    )


def _card(labels: Labels, sizes: dict[str, int]) -> bytes:
    """Return the data set's card: YAML between lines, then a sentence."""
    info = {
        "features": [_feature(field) for field in _schema(labels)],
        "splits": [{"name": SPLIT, **sizes}],
    }
    files = {"split": SPLIT, "path": "data/*.parquet"}
    configs = [{"config_name": "default", "data_files": [files]}]
    head = {"configs": configs, "dataset_info": info}
    untrained = labels.commit.random_weights
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in head.items()),  # JSON is YAML
        "---",
        f"Labels of job {labels.commit.fingerprint}, made by vrp-label.",
        *(["Untrained weights made these masks: they mean nothing."] if untrained else []),
    ]
    return "\n".join([*lines, ""]).encode()


def _feature(field: pa.Field) -> dict[str, object]:
    kind = field.type
    if pa.types.is_fixed_size_list(kind):
        return {"name": field.name, "list": _named(kind.value_type), "length": kind.list_size}
    if pa.types.is_list(kind):
        return {"name": field.name, "list": _named(kind.value_type)}
    return {"name": field.name, "dtype": _named(kind)}


def _named(kind: pa.DataType) -> str:
    return "float32" if kind == pa.float32() else str(kind)
