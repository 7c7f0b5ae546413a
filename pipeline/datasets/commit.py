"""Read a commit of our own labels into a listing, and find where its images lie."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.datasets.listing import LIST_THREADS, ImageRow, Listing, ObjectRow, Problem
from pipeline.datasets.measure import measure_image
from pipeline.inputs.address import place_at, split_uri
from pipeline.inputs.archive import Archive, Damage
from pipeline.output.committed import read_committed, read_labels
from pipeline.storage.place import Place
from pipeline.storage.stored_file import open_file
from schemas.errors import BadInput, MissingFile
from schemas.job.dataset import CommitDataset
from schemas.job.storage import Storage


def list_commit(dataset: CommitDataset, storage: Storage) -> Listing:
    """Read every part, the header of every image file, and the members' places in every tar.

    Raises BadInput for labels of untrained weights that were not asked for.
    """
    output = Place.open(dataset.output, storage)
    commit, identity = read_committed(output)
    if commit.random_weights and not dataset.allow_random_weights:
        raise BadInput(
            "labels of untrained weights",
            dataset.output,
            f"random weights in {', '.join(commit.random_weights)}",
            "labels of trained weights, or allow_random_weights: true",
        )
    if identity.source == "parquet":
        raise BadInput(
            "labels whose images lie in Parquet files",
            dataset.output,
            "targets of type parquet",
            "targets whose images can be read one by one: images, webdataset or coco",
        )
    sizes: dict[str, ImageRow] = {}
    objects: list[ObjectRow] = []
    for table in read_labels(output, commit):
        for row in table.to_pylist():
            image_id = row["image_id"]
            if image_id not in sizes:
                sizes[image_id] = ImageRow(image_id, row["uri"], row["height"], row["width"])
            if (shown := _object(row, dataset.min_score)) is not None:
                objects.append(shown)
    located = _locate(list(sizes.values()), storage, in_tars=identity.source == "webdataset")
    images = [found for found in located if isinstance(found, ImageRow)]
    problems = [found for found in located if isinstance(found, Problem)]
    found = {image.image_id for image in images}
    objects = [row for row in objects if row.image_id in found]
    categories = sorted((category.id, category.name) for category in commit.categories)
    return Listing(categories, images, objects, problems, exhaustive=False)


def _object(row: dict[str, Any], min_score: float) -> ObjectRow | None:
    """Return a label as an object; None for one below the score, of which nothing is known."""
    key = (row["image_id"], row["category_id"])
    if row["status"] == "empty":
        return ObjectRow(*key, 0, "absent")
    if row["score"] < min_score:
        return None
    return ObjectRow(*key, row["area_px"], "shown", mask_rle=row["rle_counts"])


def _locate(images: list[ImageRow], storage: Storage, *, in_tars: bool) -> list[ImageRow | Problem]:
    """Find each image where it was labelled; members of archives get their range of bytes."""
    if not images:
        return []
    start = Place.open(images[0].image_uri, storage)  # one client for all images of a job
    split = {image.image_uri: split_uri(image.image_uri, in_archive=in_tars) for image in images}
    archives = {archive for archive, member in split.values() if member}
    ranges = {archive: _ranges(place_at(start, archive)) for archive in archives}

    def locate(image: ImageRow) -> ImageRow | Problem:
        archive, member = split[image.image_uri]
        if member:
            return _member(image, archive, member, ranges[archive])
        return _check(image, place_at(start, image.image_uri))

    with ThreadPoolExecutor(LIST_THREADS) as pool:
        return list(pool.map(locate, images))


def _check(image: ImageRow, place: Place) -> ImageRow | Problem:
    size = measure_image(place, image.image_id)
    if isinstance(size, Problem):
        return size
    if size == (image.height, image.width):
        return image
    message = f"{size[1]} x {size[0]} pixels, labelled at {image.width} x {image.height}"
    return Problem(image.image_id, image.image_uri, "misaligned", message)


def _member(
    image: ImageRow, archive: str, member: str, ranges: dict[str, tuple[int, int]] | None
) -> ImageRow | Problem:
    if ranges is None:
        message = "in a compressed tar, of which no single image can be read; inflate it"
        return Problem(image.image_id, image.image_uri, "unreadable-image", message)
    if member not in ranges:
        return Problem(image.image_id, image.image_uri, "missing-image", "no such member")
    return ImageRow(image.image_id, archive, image.height, image.width, *ranges[member])


def _ranges(archive: Place) -> dict[str, tuple[int, int]] | None:
    """Map each member's name to its first and end byte; of a lost archive, nothing.

    None for a compressed one, whose members have no bytes of their own.
    """
    ranges: dict[str, tuple[int, int]] = {}
    try:
        size = archive.size() or 0
        with open_file(archive.fs, archive.path, size) as file:
            tar = Archive(file, size)
            if tar.compressed:
                return None
            for member in tar.members():
                if member.isreg():
                    # Of two members of one name the first is the one that was labelled.
                    place = (member.offset_data, member.offset_data + member.size)
                    ranges.setdefault(member.name, place)
    except (MissingFile, Damage):
        # A shard that ends early was labelled up to its end; one that is gone has no member left.
        return ranges
    return ranges
