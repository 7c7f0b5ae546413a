"""Where the images to label are: one tagged variant per way of storing them."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.spec import Spec, Uri

Uris = Uri | Annotated[tuple[Uri, ...], Field(min_length=1)]


class ImageFiles(Spec):
    """Single image files; the image id is the path below the prefix or glob."""

    type: Literal["images"]
    uris: Uris = Field(description="A prefix (folder), a glob, or a list of image URIs.")


class WebDataset(Spec):
    """Tar shards of `<key>.<extension>` members; the image id is `<shard>/<key>`."""

    type: Literal["webdataset"]
    shards: Uris = Field(
        description="Tar files: a folder, a glob, brace ranges such as a-{000..127}.tar, or a list."
    )


class ParquetImages(Spec):
    """Parquet files with one column of encoded image bytes and one of ids."""

    type: Literal["parquet"]
    files: Uris = Field(description="Parquet files: a folder, a glob, brace ranges, or a list.")
    image_column: str = "image"
    id_column: str = "id"
    ids_restart: bool = Field(
        default=False, description="Ids begin again in each file: image ids become <file>/<id>."
    )


class CocoImages(Spec):
    """The images of a COCO instances file; the image id is COCO's own."""

    type: Literal["coco"]
    images: Uri = Field(description="The prefix that every `file_name` lies under.")
    instances: Uri = Field(description="The JSON file; only its `images` list is read.")


Source = Annotated[
    ImageFiles | WebDataset | ParquetImages | CocoImages, Field(discriminator="type")
]
