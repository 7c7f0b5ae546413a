"""Turn a planned shard into units of encoded images, the n-th of which is the same on every run."""

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from pipeline.inputs.address import PARQUET_SUFFIX, member_uri, open_place, place_at, tar_stem
from pipeline.inputs.parquet import ParquetRow, read_parquet
from pipeline.inputs.tar import READING, read_tar
from pipeline.storage.place import Place
from pipeline.storage.stored_file import open_file
from schemas.errors import BadInput, BadStorage, ImageRejected, MissingFile, UnreadableFile
from schemas.job.compute import Limits
from schemas.job.source import ParquetImages, Source
from schemas.job.storage import Storage
from schemas.record.commit import Shard

# Requests for single images in flight; each waits for storage, none computes.
_FETCH_THREADS = 8
# Read of a single image before its size is asked for: covers nearly all, in one request.
_FIRST_BYTES = 16 * 2**20

KnownIds = Callable[[str, Collection[int]], Mapping[int, frozenset[str]]]
"""Says which images some units of a shard, by its id, held when they were committed."""


@dataclass(frozen=True)
class EncodedImage:
    """One image as stored, or the fault that makes it unusable; `data` is b"" where none came."""

    image_id: str
    uri: str
    data: bytes
    fault: ImageRejected | None = None


@dataclass(frozen=True)
class Unit:
    """What is committed at once: at most `images_per_unit` images of one shard, in its order."""

    shard_id: str
    number: int
    last: bool
    images: tuple[EncodedImage, ...]

    def check_same_images(self, known: Set[str]) -> None:
        """Raise BadStorage unless these are the images that the unit was committed with."""
        where = self.images[0].uri if self.images else self.shard_id
        check_same_images(where, self.number, known, {image.image_id for image in self.images})


def read_units(
    shard: Shard,
    source: Source,
    storage: Storage,
    limits: Limits,
    done: frozenset[int] = frozenset(),
    known: KnownIds | None = None,
) -> Iterator[Unit]:
    """Yield a shard's units that are not `done`; one unit is in memory, and one image beyond it.

    A shard without images yields one empty unit. known: a file whose done units hold other images
    now is refused before any unit is yielded. Raises BadStorage and OSError when the storage fails,
    so that a task is tried again: a fault of the storage never becomes a fault of an image.
    BadInput for a tar planned by an older version.
    """
    check_reading(shard)
    if known is not None and done and shard.kind != "images":
        _check_done(shard, _images(shard, source, storage, limits, lambda _: False), done, known)

    def wanted(number: int) -> bool:
        return number // shard.images_per_unit not in done

    unit: list[EncodedImage] = []
    number = 0
    for image in _images(shard, source, storage, limits, wanted):
        if len(unit) == shard.images_per_unit:
            if number not in done:
                yield Unit(shard.id, number, False, tuple(unit))
            unit = []
            number += 1
        unit.append(image)
    if number not in done:
        yield Unit(shard.id, number, True, tuple(unit))


def list_images(
    shard: Shard, source: Source, storage: Storage, limits: Limits, most: int
) -> list[tuple[str, str]]:
    """Return (id, URI) of the first images of a shard, whose pixels are not read.

    Raises as `read_units`.
    """
    check_reading(shard)
    images = _images(shard, source, storage, limits, lambda _: False)
    return [(one.image_id, one.uri) for one in islice(images, most) if one.fault is None]


def ids_begin_with(shard: Shard) -> str:
    """Return what keeps the ids of a tar's, or a Parquet file's, images apart from others'."""
    is_tar = shard.kind == "tar"
    return f"{tar_stem(shard.name) if is_tar else shard.name.removesuffix(PARQUET_SUFFIX)}/"


def list_ids(shard: Shard, source: Source, storage: Storage) -> Iterator[str]:
    """Yield the ids of all rows that will come of a shard, rejected ones too; reads no pixels.

    Raises as `read_units`.
    """
    images = _images(shard, source, storage, Limits(), lambda _: False)
    return (image.image_id for image in images)


def _check_done(
    shard: Shard, images: Iterator[EncodedImage], done: frozenset[int], known: KnownIds
) -> None:
    """Raise BadStorage unless the done units hold the images that were labelled under their names.

    In a pass of its own: where units were done out of turn, one behind the first that is missing
    may be the one that tells.
    """
    held: dict[int, set[str]] = {}
    for position, image in enumerate(islice(images, (max(done) + 1) * shard.images_per_unit)):
        number = position // shard.images_per_unit
        if number in done:
            held.setdefault(number, set()).add(image.image_id)
    for number, ids in sorted(known(shard.id, done).items()):
        check_same_images(shard.uri, number, ids, held.get(number, set()))


def check_same_images(where: str, number: int, known: Set[str], now: Set[str]) -> None:
    """Raise BadStorage unless a unit's images now are those that it was committed with."""
    if known != now:
        raise BadStorage(
            "a shard that has changed since its first units were labelled",
            where,
            f"{len(known & now)} of the {len(known)} images that unit {number} was made of",
            "the file as it was, and its ids read as they were, or a new output",
        )


def check_reading(shard: Shard) -> None:
    """Raise BadInput for a tar that was planned when other ids were given to its images."""
    if shard.kind == "tar" and shard.reading != READING:
        raise BadInput(
            "a tar that was planned by an older version of this program",
            shard.uri,
            f"ids by rule {shard.reading}, of which some would be given to other images now",
            f"ids by rule {READING}: a new output; finished labels of this one stay valid",
        )


def _images(
    shard: Shard, source: Source, storage: Storage, limits: Limits, wanted: Callable[[int], bool]
) -> Iterator[EncodedImage]:
    place = open_place(shard.uri, storage)
    match shard.kind:
        case "images":
            return _read_list(place, shard, limits) if wanted(0) else iter(())
        case "tar":
            return _read_tar(place, shard, limits, wanted)
        case "parquet":
            assert isinstance(source, ParquetImages), "planned from another source"
            return _read_parquet(place, shard, source, limits, wanted)


def _read_list(folder: Place, shard: Shard, limits: Limits) -> Iterator[EncodedImage]:
    def fetch(image: tuple[str, str]) -> EncodedImage:
        image_id, uri = image
        try:
            return EncodedImage(image_id, uri, _fetch(place_at(folder, uri), limits.max_bytes))
        except MissingFile:
            fault = ImageRejected("missing", "listed, but not there when read")
        except UnreadableFile as error:
            fault = ImageRejected("unreadable", f"may not be read: {error.got}")
        except ImageRejected as too_large:
            fault = too_large
        return EncodedImage(image_id, uri, b"", fault)

    with ThreadPoolExecutor(_FETCH_THREADS) as threads:
        yield from threads.map(fetch, shard.images)


def _fetch(image: Place, max_bytes: int) -> bytes:
    first = image.read(start=0, end=min(_FIRST_BYTES, max_bytes + 1))
    if len(first) < _FIRST_BYTES and len(first) <= max_bytes:
        return first
    size = image.size() or 0
    if size > max_bytes:
        raise _too_large(size, max_bytes)
    return first + image.read(start=len(first), end=size)


def _too_large(size: int, max_bytes: int) -> ImageRejected:
    return ImageRejected("too-large", f"{size} bytes; the job's limit is {max_bytes}")


def _read_tar(
    place: Place,
    shard: Shard,
    limits: Limits,
    wanted: Callable[[int], bool],
) -> Iterator[EncodedImage]:
    _check_size(place, shard)
    ids = _Ids()
    prefix = ids_begin_with(shard)
    with open_file(place.fs, place.path, shard.size_bytes) as file:
        for image in read_tar(file, shard.size_bytes, limits.max_bytes, wanted):
            uri = member_uri(shard.uri, image.member)
            encoded = EncodedImage(f"{prefix}{image.key}", uri, image.data, image.fault)
            yield ids.made_unique(encoded, claims=image.fault is None)


def _read_parquet(
    place: Place,
    shard: Shard,
    source: ParquetImages,
    limits: Limits,
    wanted: Callable[[int], bool],
) -> Iterator[EncodedImage]:
    _check_size(place, shard)
    ids = _Ids()
    prefix = ids_begin_with(shard) if source.ids_restart else ""
    with open_file(place.fs, place.path, shard.size_bytes) as file:
        for number, row in enumerate(read_parquet(file, source, shard.uri, wanted)):
            size = len(row.data or b"")
            fault = row.fault
            if fault is None and row.id is None:
                fault = ImageRejected("no-id", f"row {number} has no {source.id_column}")
            elif fault is None and row.data is None and wanted(number):
                fault = _without_image(row, number, source)
            elif size > limits.max_bytes:
                fault = _too_large(size, limits.max_bytes)
            image_id = f"{shard.name}#{number}" if row.id is None else f"{prefix}{row.id}"
            data = b"" if fault or row.data is None else row.data
            encoded = EncodedImage(image_id, member_uri(shard.uri, number), data, fault)
            # Whether a row's image is usable is unknown where it is skipped, so each claims its id.
            yield ids.made_unique(encoded, claims=True)


def _without_image(row: ParquetRow, number: int, source: ParquetImages) -> ImageRejected:
    message = f"row {number} has no {source.image_column}"
    if row.path is not None:
        message += f" but a path, {row.path!r:.200}; wanted the image's bytes in the file"
    return ImageRejected("no-image", message)


def _check_size(place: Place, shard: Shard) -> None:
    size = place.size()
    if size != shard.size_bytes:
        raise BadStorage(
            "a shard that changed after it was planned",
            shard.uri,
            "a folder" if size is None else f"{size} bytes",
            f"{shard.size_bytes} bytes, as planned; run the job again",
        )


class _Ids:
    """The ids given in one shard, so that none is given twice."""

    def __init__(self) -> None:
        self._copies: dict[str, int] = {}
        self._claimed: set[str] = set()

    def made_unique(self, image: EncodedImage, claims: bool) -> EncodedImage:
        """Return the image under a free id, and as a fault if its id was claimed before.

        A fault that claims nothing takes no image's place: the image follows as `<id>#2`.
        """
        wanted, fault = image.image_id, image.fault
        if fault is None and wanted in self._claimed:
            fault = ImageRejected("duplicate-id", f"a second image of the id {wanted}")
        if claims:
            self._claimed.add(wanted)
        free, copy = wanted, self._copies.get(wanted, 1)
        while free in self._copies:
            copy += 1
            free = f"{wanted}#{copy}"
        self._copies[free] = 1
        self._copies[wanted] = copy
        return EncodedImage(free, image.uri, b"" if fault else image.data, fault)
