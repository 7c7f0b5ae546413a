"""Labelled images, found where they were or said to be gone."""

import io
import tarfile
from pathlib import Path

import pytest

from pipeline.inputs.read_again import read_again
from schemas.job.storage import Storage
from tests.made.servers.s3 import Bucket


def tar(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return buffer.getvalue()


def found(*uris: str, storage: Storage | None = None) -> dict[str, bytes | str]:
    return dict(read_again(uris, storage or Storage()))


def test_files_and_members_come_back_by_their_uris(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar("x/1.jpg", "x/2.jpg", "x/3.jpg"))
    (tmp_path / "b.jpg").write_bytes(b"photo")
    shard, photo = tmp_path / "a.tar", f"{tmp_path}/b.jpg"
    assert found(f"{shard}#x/3.jpg", photo, f"{shard}#x/1.jpg", photo) == {
        f"{shard}#x/1.jpg": b"x/1.jpg",
        f"{shard}#x/3.jpg": b"x/3.jpg",
        photo: b"photo",
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.jpg", "can no longer be read"),
        ("gone.tar#1.jpg", "shard can no longer be read"),
        ("a.tar#other.jpg", "no longer holds this image"),
        ("text.tar#1.jpg", "shard can no longer be read"),
        ("a.parquet#3", "inside Parquet files are not read again"),
    ],
)
def test_what_is_gone_is_a_sentence(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "a.tar").write_bytes(tar("1.jpg"))
    (tmp_path / "text.tar").write_text("not a tar " * 100)
    (said,) = found(f"{tmp_path}/{name}").values()
    assert isinstance(said, str)
    assert reason in said


def test_a_shard_cut_off_gives_the_images_before_the_cut(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar("1.jpg", "2.jpg")[:1538])  # within the second member
    first, second = (found(f"{tmp_path}/a.tar#{n}.jpg")[f"{tmp_path}/a.tar#{n}.jpg"] for n in "12")
    assert first == b"1.jpg"
    assert isinstance(second, str)


def test_images_on_s3_are_read_with_the_given_credentials(bucket: Bucket) -> None:
    bucket.put("a.tar", tar("1.jpg"))
    bucket.put("b.jpg", b"photo")
    uris = f"{bucket.uri}/a.tar#1.jpg", f"{bucket.uri}/b.jpg"
    assert list(found(*uris, storage=bucket.storage).values()) == [b"photo", b"1.jpg"]
