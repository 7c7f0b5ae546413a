"""A folder of photos becomes shards: every photo, no mask, the same bytes each time."""

import io
import os
import tarfile
from pathlib import Path, PurePath

import pytest

from examples.pack_photos import image_paths, key_of, pack, upload
from pipeline.storage.files import open_filesystem, read_bytes
from schemas.job.storage import Storage
from tests.made.data.datasets import jpeg, write
from tests.made.servers.s3 import Bucket

FOUND = ["_new/400. paris.jpg.jpg", "animals/cat/01.jpg", "animals/cat/02.JPG", "icons/logo.png"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(FOUND):
        write(tmp_path / "photos" / name, jpeg(seed))
    for name in ("animals/cat/01.png", "animals/cat/02.png", "README.md", "manifest.json"):
        write(tmp_path / "photos" / name, b"a mask, or no image")
    return tmp_path / "photos"


def _members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_every_image_is_packed_and_no_mask(photos: Path) -> None:
    assert [str(path) for path in image_paths(photos)] == FOUND
    shards = list(pack(photos, 3))
    assert [name for name, _ in shards] == ["photos-000000.tar", "photos-000001.tar"]
    members = {name: data for _, shard in shards for name, data in _members(shard).items()}
    assert list(members.values()) == [jpeg(seed) for seed in range(4)]
    assert {"animals__cat__01.jpg", "animals__cat__02.jpg", "icons__logo.png"} < set(members)


def test_the_same_photos_give_the_same_bytes_whenever_they_were_written(photos: Path) -> None:
    before = list(pack(photos, 2))
    for path in photos.rglob("*.jpg"):
        os.utime(path, (1, 1))
    assert list(pack(photos, 2)) == before


def test_keys_are_one_word_and_stay_apart() -> None:
    names = ["a/400. paris.jpg.jpg", "a/400 paris.jpg", "a/é.jpg", "a/e.jpg", "a/ü.jpg"]
    keys = [key_of(PurePath(name)) for name in names]
    assert len(set(keys)) == len(keys)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for key in keys)


def test_two_images_of_one_key_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a/b.jpg", jpeg(0))
    write(tmp_path / "a__b.jpg", jpeg(1))
    with pytest.raises(ValueError, match="a__b"):
        list(pack(tmp_path, 2))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image"):
        list(pack(tmp_path, 2))


def test_shards_go_to_a_bucket_or_a_folder(photos: Path, tmp_path: Path, bucket: Bucket) -> None:
    remote = upload(photos, f"{bucket.uri}/shards", 2, bucket.storage)
    local = upload(photos, str(tmp_path / "shards"), 2, Storage())
    assert remote == [f"{bucket.uri}/shards/photos-00000{n}.tar" for n in (0, 1)]
    for there, here in zip(remote, local, strict=True):
        data = read_bytes(*open_filesystem(there, bucket.storage))
        assert data == Path(here).read_bytes()


@pytest.mark.skipif("VRP_PHOTOS" not in os.environ, reason="VRP_PHOTOS names no folder of photos")
def test_real_photos_are_packed_each_once() -> None:
    folder = Path(os.environ["VRP_PHOTOS"])
    jpgs = sum(path.suffix.lower() in (".jpg", ".jpeg") for path in folder.rglob("*"))
    members = [name for _, data in pack(folder, 64) for name in _members(data)]
    assert len(set(members)) == len(members) == jpgs
