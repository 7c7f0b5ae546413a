"""Storage: the same sentences hold for a local folder and for S3."""

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.storage.files import (
    create_once,
    file_size,
    list_files,
    open_filesystem,
    read_bytes,
    replace,
)
from pipeline.storage.patient_s3 import Budget
from pipeline.storage.stored_file import open_file
from schemas.job.storage import Storage
from tests.made.servers.s3 import Bucket, create_bucket, storage_at


def test_a_file_is_created_once_and_never_overwritten(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    assert create_once(fs, f"{path}/labels/a.parquet", b"first")
    assert not create_once(fs, f"{path}/labels/a.parquet", b"second")
    assert read_bytes(fs, f"{path}/labels/a.parquet") == b"first"
    assert list_files(fs, path) == {"labels/a.parquet": 5}


def test_of_sixteen_concurrent_writers_exactly_one_wins(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    contents = [bytes([number]) * 4096 for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda data: create_once(fs, f"{path}/part", data), contents))
    assert sum(won) == 1
    assert read_bytes(fs, f"{path}/part") == contents[won.index(True)]


def test_a_large_file_is_still_created_by_a_single_conditional_put(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fs, path = open_filesystem("s3://bucket/part", storage_at("http://127.0.0.1:1"))
    calls: list[tuple[str, object]] = []

    async def recorded_call(method: str, *positional: object, **named: object) -> dict[str, object]:
        calls.append((method, named.get("IfNoneMatch")))
        return {}

    monkeypatch.setattr(fs, "_call_s3", recorded_call)
    # Above twice s3fs's block size of 50 MiB, where it would begin a multipart upload.
    assert create_once(fs, path, bytes(101 * 2**20))
    assert calls == [("put_object", "*")]


class _Answer(Exception):
    """Stands in for botocore's ClientError, which only a server's answer can make."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


def _failing_puts(answers: list[_Answer], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    fs, path = open_filesystem("s3://bucket/part", storage_at("http://127.0.0.1:1"))

    async def call_once(method: str, *defaults: object, **named: object) -> dict[str, object]:
        assert method == "put_object"
        if answers:
            raise OSError(5, "as s3fs raises it") from answers.pop(0)
        return {}

    monkeypatch.setattr(fs, "_call_once", call_once)
    monkeypatch.setattr(
        "pipeline.storage.patient_s3.BUDGET", Budget(attempts=8, first_pause_s=1e-3)
    )
    return fs, path


def test_a_conflict_of_conditional_writes_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [_Answer(409, "ConditionalRequestConflict") for _ in range(3)]
    assert create_once(*_failing_puts(answers, monkeypatch), b"data")
    assert not answers


def test_conflicts_without_end_are_an_error_that_counts_the_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [_Answer(409, "ConditionalRequestConflict") for _ in range(20)]
    fs, path = _failing_puts(answers, monkeypatch)
    with pytest.raises(OSError, match=r"s3://bucket/part could not be written.*after 8 tries in"):
        create_once(fs, path, b"data")
    assert len(answers) == 12


@pytest.mark.parametrize(("stored", "ours"), [(b"data", True), (b"of others", False)])
def test_a_412_without_a_condition_element_means_already_written(
    stored: bytes, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, path = _failing_puts([_Answer(412, "PreconditionFailed")], monkeypatch)

    async def read_whole(path: str) -> bytes:
        return stored

    monkeypatch.setattr(fs, "_cat_file", read_whole)
    assert create_once(fs, path, b"data") is ours


def test_the_same_bytes_are_as_good_as_written_by_this_call(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    assert create_once(fs, f"{path}/a", b"same")
    assert create_once(fs, f"{path}/a", b"same")
    assert not create_once(fs, f"{path}/a", b"other")


def test_a_lost_local_writer_leaves_no_half_file(tmp_path: Path) -> None:
    fs, path = open_filesystem(str(tmp_path / "deep/part"), Storage())
    create_once(fs, path, b"whole")
    create_once(fs, path, b"late")
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["part"]


def test_replace_overwrites_and_leaves_nothing_else(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    replace(fs, f"{path}/commit.json", b"old")
    replace(fs, f"{path}/commit.json", b"newer")
    assert read_bytes(fs, f"{path}/commit.json") == b"newer"
    assert list_files(fs, path) == {"commit.json": 5}


def test_an_absent_folder_lists_as_empty(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    assert list_files(fs, f"{path}/nowhere") == {}


def test_a_listing_shows_what_another_client_wrote_meanwhile(folder: tuple[str, Storage]) -> None:
    reader, path = open_filesystem(*folder)
    writer, _ = open_filesystem(*folder)
    assert list_files(reader, path) == {}
    replace(writer, f"{path}/a", b"1")
    assert list_files(reader, path) == {"a": 1}
    replace(writer, f"{path}/b/c", b"22")
    assert list_files(reader, path) == {"a": 1, "b/c": 2}


def test_a_listing_can_be_narrowed_by_a_stem_and_to_one_level(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    for name in ("a-1", "a-2", "b-1", "a-x/c", "ab/a-3"):
        replace(fs, f"{path}/{name}", b"")
    assert list(list_files(fs, path, "a-", deep=False)) == ["a-1", "a-2"]
    assert list(list_files(fs, path, "a-")) == ["a-1", "a-2", "a-x/c"]
    assert list(list_files(fs, path, "ab/a")) == ["ab/a-3"]
    assert list(list_files(fs, path)) == ["a-1", "a-2", "a-x/c", "ab/a-3", "b-1"]


def test_more_objects_than_one_page_are_all_listed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, path = open_filesystem(f"{bucket.uri}/many", bucket.storage)
    names = [f"{number:02d}" for number in range(7)]
    for name in names:
        replace(fs, f"{path}/{name}", b"x")
    call = getattr(fs, "call_s3")  # noqa: B009 - s3fs's own, unknown to the base class
    # Pages of 3 instead of 1000.
    monkeypatch.setattr(fs, "call_s3", lambda *a, **k: call(*a, **{**k, "MaxKeys": 3}))
    assert list(list_files(fs, path)) == names


def test_a_folder_linked_into_itself_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    fs, path = open_filesystem(str(tmp_path), Storage())
    assert list_files(fs, path) == {"a.jpg": 1}


def test_of_a_folder_and_links_to_it_the_folder_gives_the_names(tmp_path: Path) -> None:
    links = [tmp_path / name for name in ("a", "n", "z", "0/deep/a", "9/a")]
    for number, link in enumerate(links):
        real = tmp_path / f"folder{number}"
        link.parent.mkdir(parents=True, exist_ok=True)
        if number % 2:  # whichever the file system lists first
            link.symlink_to(real)
        (real / "sub").mkdir(parents=True)
        (real / "sub" / "x.jpg").write_bytes(b"1")
        if not number % 2:
            link.symlink_to(real)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "in").mkdir(parents=True)
    (elsewhere / "in" / "y.jpg").write_bytes(b"1")
    (tmp_path / "folder0" / "more").symlink_to(elsewhere / "in")
    listed = tmp_path / "listed"
    listed.mkdir()
    (listed / "one").symlink_to(tmp_path / "folder0")
    fs, path = open_filesystem(str(tmp_path), Storage())
    real_names = [f"folder{number}/sub/x.jpg" for number in range(len(links))]
    assert list(list_files(fs, path)) == ["elsewhere/in/y.jpg", *real_names]
    assert list(list_files(fs, f"{path}/listed")) == ["one/more/y.jpg", "one/sub/x.jpg"]


def test_a_range_is_read_as_a_slice(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    replace(fs, f"{path}/digits", b"0123456789")
    replace(fs, f"{path}/nothing", b"")
    assert read_bytes(fs, f"{path}/digits", 2, 5) == b"234"
    assert read_bytes(fs, f"{path}/digits", 8, 100) == b"89"
    assert read_bytes(fs, f"{path}/digits", 50, 100) == b""
    assert read_bytes(fs, f"{path}/nothing", 0, 100) == b""
    assert file_size(fs, f"{path}/digits") == 10
    assert file_size(fs, path) is None


def test_a_stored_file_reads_and_seeks_like_a_local_one(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    # Three blocks of 8 MiB, the last one short.
    data = hashlib.shake_256(b"seed").digest(17 * 2**20 + 5)
    replace(fs, f"{path}/big", data)
    with open_file(fs, f"{path}/big", len(data)) as file:
        assert file.read(10) == data[:10]
        file.seek(9 * 2**20)
        assert file.read(8 * 2**20) == data[9 * 2**20 : 17 * 2**20]
        assert file.read() == data[17 * 2**20 :]
        assert file.read(1) == b""
        file.seek(-5, 2)
        assert file.read() == data[-5:]
        file.seek(0)
        assert file.read() == data


def test_an_answer_cut_short_is_an_error_and_not_the_end_of_the_file(bucket: Bucket) -> None:
    bucket.put("short", b"0123456789")
    fs, path = open_filesystem(f"{bucket.uri}/short", bucket.storage)
    # The object was 20 bytes when it was planned: the storage now hands out fewer.
    with open_file(fs, path, 20) as file, pytest.raises(OSError, match="10 bytes from 0"):
        file.read()


def test_an_open_file_system_survives_a_trip_to_another_process(bucket: Bucket) -> None:
    uri = bucket.put("a", b"1")
    fs, path = open_filesystem(uri, bucket.storage)
    assert read_bytes(pickle.loads(pickle.dumps(fs)), path) == b"1"  # noqa: S301 - our own bytes


def test_two_buckets_of_one_server_do_not_see_each_other(bucket: Bucket, s3_endpoint: str) -> None:
    other = create_bucket(s3_endpoint, f"{bucket.name}-b")
    bucket.put("a", b"1")
    fs, path = open_filesystem(other.uri, other.storage)
    assert list_files(fs, path) == {}
