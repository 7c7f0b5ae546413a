"""Pack a folder of images into WebDataset shards, and put them into a folder or a bucket.

    python examples/pack_photos.py FOLDER DEST --images-per-shard 64

DEST is a folder or s3://bucket/prefix. A sample's key is the image's path below FOLDER:
`animals/cat/01.jpg` becomes `animals__cat__01.jpg`. A .png beside a .jpg of the same name is its
mask and stays out, as does what is no image. The same folder always gives the same bytes.
"""

import argparse
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePath

from pipeline.images.formats import image_suffixes
from pipeline.storage.place import Place
from schemas.job.storage import Storage


def image_paths(folder: Path) -> list[PurePath]:
    """Return the images below a folder, by path, relative to it; masks are not among them."""
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    images = {path for path in files if path.suffix[1:].lower() in image_suffixes()}
    photos = {path.with_suffix("") for path in images if path.suffix.lower() != ".png"}
    masks = {p for p in images if p.suffix.lower() == ".png" and p.with_suffix("") in photos}
    return sorted(images - masks, key=str)


def key_of(path: PurePath) -> str:
    """Return a WebDataset key: one word, since a key ends at the first dot.

    Names that had to be changed get a hash of the whole path, so that no two become one.
    """
    plain = "__".join(path.with_suffix("").parts)
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", plain)
    if safe == plain:
        return safe
    return f"{safe[:80]}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def pack(folder: Path, images_per_shard: int) -> Iterator[tuple[str, bytes]]:
    """Yield the shards' names and bytes; a shard is in memory at a time.

    Raises ValueError for a folder without images, and for two images of one key.
    """
    paths = image_paths(folder)
    if not paths:
        raise ValueError(f"no image below {folder}")
    keys = [key_of(path) for path in paths]
    if len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"two images of one key below {folder}: {', '.join(twice)}")
    members = iter(zip(keys, paths, strict=True))
    number = 0
    while batch := list(islice(members, images_per_shard)):
        yield f"photos-{number:06d}.tar", _tar(folder, batch)
        number += 1


def _tar(folder: Path, members: Sequence[tuple[str, PurePath]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for key, path in members:
            data = (folder / path).read_bytes()
            info = tarfile.TarInfo(f"{key}{path.suffix.lower()}")
            # No time and no owner: TarInfo's are 0 and root, and so the bytes depend on nothing.
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def upload(folder: Path, dest: str, images_per_shard: int, storage: Storage) -> list[str]:
    """Pack a folder and write its shards below dest; return their URIs."""
    shards = Place.open(dest, storage)
    uris = []
    for name, data in pack(folder, images_per_shard):
        shards.below(name).replace(data)
        uris.append(f"{dest.rstrip('/')}/{name}")
    return uris


def main() -> None:
    """Read the command line, pack, and print the shards."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("dest")
    parser.add_argument("--images-per-shard", type=int, default=64)
    parser.add_argument("--endpoint-url", help="of S3, if it is not AWS")
    arguments = parser.parse_args()
    storage = Storage(endpoint_url=arguments.endpoint_url)
    images = len(image_paths(arguments.folder))
    uris = upload(arguments.folder, arguments.dest, arguments.images_per_shard, storage)
    print("\n".join(uris))
    print(f"{images} images in {len(uris)} shards")


if __name__ == "__main__":
    main()
