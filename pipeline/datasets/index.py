"""Turn a dataset of any layout into an index, once, and read it back."""

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from pipeline.datasets.annotation_files import check_annotations, describe_annotations
from pipeline.datasets.coco import list_coco
from pipeline.datasets.commit import list_commit
from pipeline.datasets.davis import list_davis
from pipeline.datasets.folder import list_folder
from pipeline.datasets.listing import Listing
from pipeline.datasets.lvis import list_lvis
from pipeline.datasets.paco import list_paco
from pipeline.datasets.pascal_part import list_pascal_part
from pipeline.datasets.voc import list_voc
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.faults import faults_of
from schemas.job.dataset import (
    IMAGES_SCHEMA,
    OBJECTS_SCHEMA,
    PROBLEMS_SCHEMA,
    AnnotationFile,
    CategoryCount,
    CocoDataset,
    CommitDataset,
    Dataset,
    DavisDataset,
    FolderDataset,
    IndexCommit,
    LvisDataset,
    PacoDataset,
    PascalPartDataset,
    VocDataset,
)
from schemas.job.episode import PRESENT_PX
from schemas.job.storage import Storage

COMMIT = "index.json"  # written last, below the index's folder


@dataclass(frozen=True)
class DatasetIndex:
    """An index in memory. Rows of `objects` are in the order of `images`, then of category ids."""

    commit: IndexCommit
    images: pa.Table  # IMAGES_SCHEMA
    objects: pa.Table  # OBJECTS_SCHEMA
    problems: pa.Table  # PROBLEMS_SCHEMA

    @cached_property
    def image_of_object(self) -> np.ndarray:
        """The image's row of each object, int32 [objects]."""
        return self.objects["image"].to_numpy()

    @cached_property
    def category_of_object(self) -> np.ndarray:
        """The category's id of each object, int32 [objects]."""
        return self.objects["category_id"].to_numpy()

    def objects_of(self, image: int) -> range:
        """Return the object rows of an image's row."""
        first, end = np.searchsorted(self.image_of_object, (image, image + 1))
        return range(int(first), int(end))


def open_index(dataset: Dataset, uri: str, storage: Storage) -> DatasetIndex:
    """Read the index below uri, or build it there if there is none.

    Raises BadInput when it is of another dataset or of annotations that have changed since, and
    BadStorage when it is damaged; deleting the folder builds it anew.
    """
    folder = Place.open(uri, storage)
    try:
        commit = IndexCommit.model_validate_json(folder.below(COMMIT).read())
    except MissingFile:
        return build_index(dataset, uri, storage)
    except ValueError as error:
        raise BadStorage(
            "an index that cannot be read", uri, faults_of(error), "an index.json"
        ) from error
    if commit.dataset != dataset:
        raise BadInput(
            "the index is of another dataset",
            uri,
            commit.dataset.model_dump_json(),
            f"{dataset.model_dump_json()}, or another folder",
        )
    check_annotations(commit.annotations, dataset, storage, uri)
    tables = {}
    for name, digest in commit.sha256.items():
        data = folder.below(name).read()
        if hashlib.sha256(data).hexdigest() != digest:
            raise BadStorage(
                "an index file has changed", f"{uri}/{name}", "other bytes", f"sha256 {digest}"
            )
        tables[name] = from_parquet(data)
    return DatasetIndex(
        commit,
        _with_added_columns(tables["images.parquet"], IMAGES_SCHEMA),
        _with_added_columns(tables["objects.parquet"], OBJECTS_SCHEMA),
        tables["problems.parquet"],
    )


def build_index(dataset: Dataset, uri: str, storage: Storage) -> DatasetIndex:
    """Read the dataset, write its three tables below uri, then index.json."""
    # Before they are read: a change meanwhile is noticed when the index is opened.
    annotations = describe_annotations(dataset, storage)
    index, files = _from_listing(dataset, list_dataset(dataset, storage), annotations)
    folder = Place.open(uri, storage)
    for name, data in files.items():
        folder.below(name).replace(data)
    folder.below(COMMIT).replace(index.commit.model_dump_json(indent=1).encode())
    return index


def list_dataset(dataset: Dataset, storage: Storage) -> Listing:
    """Read a dataset of any layout; what it lacks is among the listing's problems, or BadInput."""
    match dataset:
        case CocoDataset():
            listing = list_coco(dataset, storage)
        case VocDataset():
            listing = list_voc(dataset, storage)
        case FolderDataset():
            listing = list_folder(dataset, storage)
        case LvisDataset():
            listing = list_lvis(dataset, storage)
        case PacoDataset():
            listing = list_paco(dataset, storage)
        case PascalPartDataset():
            listing = list_pascal_part(dataset, storage)
        case DavisDataset():
            listing = list_davis(dataset, storage)
        case CommitDataset():
            listing = list_commit(dataset, storage)
    return listing


def _with_added_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the columns that came after it was written: null in all its rows."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def _from_listing(
    dataset: Dataset, listing: Listing, annotations: tuple[AnnotationFile, ...]
) -> tuple[DatasetIndex, dict[str, bytes]]:
    places = {image.image_id: place for place, image in enumerate(listing.images)}
    ordered = sorted(listing.objects, key=lambda row: (places[row.image_id], row.category_id))
    objects = [{"image": places[row.image_id], **asdict(row)} for row in ordered]
    tables = {
        "images.parquet": pa.Table.from_pylist(
            [asdict(row) for row in listing.images], schema=IMAGES_SCHEMA
        ),
        "objects.parquet": pa.Table.from_pylist(objects, schema=OBJECTS_SCHEMA),
        "problems.parquet": pa.Table.from_pylist(
            [asdict(row) for row in listing.problems], schema=PROBLEMS_SCHEMA
        ),
    }
    files = {name: to_parquet(table) for name, table in tables.items()}
    commit = IndexCommit(
        dataset=dataset,
        categories=_count(listing),
        exhaustive=listing.exhaustive,
        images=len(listing.images),
        objects=len(listing.objects),
        problems=len(listing.problems),
        sha256={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        annotations=annotations,
    )
    return DatasetIndex(commit, *tables.values()), files


def _count(listing: Listing) -> tuple[CategoryCount, ...]:
    shown = Counter(row.category_id for row in listing.objects if row.state == "shown")
    present = Counter(row.category_id for row in listing.objects if row.area_px >= PRESENT_PX)
    return tuple(
        CategoryCount(id=number, name=name, images=shown[number], present=present[number])
        for number, name in listing.categories
    )
