"""Storage: the same sentences hold for a local folder and for S3."""

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from pipeline.storage.files import (
    check_writable,
    create_once,
    file_size,
    list_files,
    open_filesystem,
    read_bytes,
    replace,
)
from pipeline.storage.patient_s3 import Budget
from pipeline.storage.place import Place
from pipeline.storage.stored_file import open_file
from schemas.errors import BadStorage, MissingFile
from schemas.job.storage import Storage
from tests.made.s3 import SECRET, Bucket, create_bucket, free_port, serve_denials, storage_at


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Storage]:
    if request.param == "local":
        return str(tmp_path / "out"), Storage()
    bucket: Bucket = request.getfixturevalue("bucket")
    return f"{bucket.uri}/out", bucket.storage


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
    fs, path = open_filesystem(str(tmp_path), Storage())
    assert list_files(fs, path) == {"a.jpg": 1}


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


def test_a_missing_file_is_named(folder: tuple[str, Storage]) -> None:
    fs, path = open_filesystem(*folder)
    replace(fs, f"{path}/there", b"")
    with pytest.raises(MissingFile, match=f"{folder[0]}/gone"):
        read_bytes(fs, f"{path}/gone")
    with pytest.raises(MissingFile):
        file_size(fs, f"{path}/gone")
    with pytest.raises(MissingFile):
        Place.open(f"{folder[0]}/gone", folder[1]).read()


def test_a_missing_bucket_is_named_and_is_not_an_empty_folder(s3_endpoint: str) -> None:
    storage = storage_at(s3_endpoint)
    fs, path = open_filesystem("s3://no-such-bucket/out", storage)
    for attempt in (
        lambda: list_files(fs, path),
        lambda: read_bytes(fs, path),
        lambda: file_size(fs, path),
        lambda: create_once(fs, f"{path}/part", b""),
        lambda: replace(fs, f"{path}/part", b""),
        lambda: Place.open("s3://no-such-bucket/out", storage).read(),
        lambda: check_writable("s3://no-such-bucket/out", storage),
    ):
        with pytest.raises(BadStorage, match="no bucket no-such-bucket") as raised:
            attempt()
        assert not isinstance(raised.value, MissingFile)


def test_a_denied_bucket_is_named_without_the_credentials() -> None:
    with serve_denials() as endpoint:
        storage = storage_at(endpoint)
        fs, path = open_filesystem("s3://bucket/out", storage)
        for attempt, verb in (
            (lambda: list_files(fs, path), "listed"),
            (lambda: read_bytes(fs, f"{path}/a"), "read"),
            (lambda: create_once(fs, f"{path}/b", b""), "written"),
            (lambda: replace(fs, f"{path}/b", b""), "written"),
            (lambda: Place.open("s3://bucket/out/a", storage).read(), "read"),
            (lambda: check_writable("s3://bucket/out", storage), "written"),
        ):
            with pytest.raises(BadStorage, match=f"storage that may not be {verb}") as raised:
                attempt()
            assert "s3://bucket/out" in str(raised.value)
            assert SECRET not in str(raised.value)
            assert "test-key" not in str(raised.value)


def test_a_bucket_policy_that_denies_objects_is_named(bucket: Bucket) -> None:
    uri = bucket.put("out/a", b"1")
    bucket.deny("s3:GetObject", "s3:PutObject")
    with pytest.raises(BadStorage, match=f"may not be read(.|\n)*{uri}(.|\n)*AccessDenied|403"):
        Place.open(uri, bucket.storage).read()
    with pytest.raises(BadStorage, match=f"may not be written(.|\n)*{bucket.uri}/out"):
        check_writable(f"{bucket.uri}/out", bucket.storage)


def test_an_endpoint_that_does_not_answer_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.storage.files.time.sleep", lambda seconds: None)
    port = free_port()
    storage = storage_at(f"http://user:{SECRET}@127.0.0.1:{port}")
    with pytest.raises(BadStorage, match=rf"does not answer(.|\n)*127\.0\.0\.1:{port}") as raised:
        check_writable("s3://bucket/a", storage)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url=f"http://user:{SECRET}@host:1/a"),
        ConnectTimeoutError(endpoint_url=f"http://user:{SECRET}@host:1/a"),
        ReadTimeoutError(endpoint_url=f"http://user:{SECRET}@host:1/a"),
        aiohttp.ClientPayloadError("the connection was closed"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_request_that_is_not_answered_names_the_endpoint_without_its_password(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, path = open_filesystem("s3://bucket/a", storage_at(f"http://user:{SECRET}@host:1"))

    def cat_file(path: str, **options: object) -> bytes:
        raise error

    monkeypatch.setattr(fs, "cat_file", cat_file)
    with pytest.raises(
        BadStorage, match=r"does not answer(.|\n)*bucket/a at http://host:1"
    ) as raised:
        read_bytes(fs, path)
    assert SECRET not in str(raised.value)


def test_storage_without_credentials_says_where_they_are_looked_for(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, path = open_filesystem("s3://bucket/a", Storage(endpoint_url=s3_endpoint))

    def cat_file(path: str, **options: object) -> bytes:
        raise NoCredentialsError

    monkeypatch.setattr(fs, "cat_file", cat_file)
    with pytest.raises(BadStorage, match="no AWS credentials found"):
        read_bytes(fs, path)


def test_an_endpoint_without_a_scheme_is_refused_at_once() -> None:
    with pytest.raises(BadStorage, match="localhost:9000"):
        open_filesystem("s3://bucket/a", Storage(endpoint_url="localhost:9000"))


def test_the_endpoint_may_come_from_the_usual_variable(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = bucket.put("a", b"1")
    assert bucket.storage.endpoint_url
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.storage.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    Place.open(uri, Storage()).read()


def test_a_scheme_nobody_can_read_is_named() -> None:
    with pytest.raises(BadStorage, match="nosuch://bucket/a"):
        open_filesystem("nosuch://bucket/a", Storage())


def test_a_bucket_name_that_s3_forbids_is_named(s3_endpoint: str) -> None:
    with pytest.raises(BadStorage, match="Bad_Bucket!"):
        Place.open("s3://Bad_Bucket!/a", storage_at(s3_endpoint)).read()


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadStorage, match="file"):
        check_writable(str(tmp_path / "file/out"), Storage())


def test_a_writable_folder_is_left_as_it_was(folder: tuple[str, Storage]) -> None:
    uri, storage = folder
    check_writable(uri, storage)
    check_writable(uri, storage)
    fs, path = open_filesystem(uri, storage)
    assert list_files(fs, path) == {}
    assert storage.endpoint_url or not Path(path).exists()


def test_commands_that_probe_one_folder_at_once_do_not_meet(folder: tuple[str, Storage]) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: check_writable(*folder), range(24)))
    assert Place.open(*folder).files() == {}


@pytest.mark.parametrize("left", [b"probe", b"another"])
def test_a_probe_left_by_an_older_version_blocks_no_job(
    folder: tuple[str, Storage], left: bytes
) -> None:
    Place.open(*folder).below(".vrp-write-probe").replace(left)
    check_writable(*folder)


def test_a_bucket_that_forbids_deletion_is_still_writable(bucket: Bucket) -> None:
    bucket.deny("s3:DeleteObject")
    check_writable(f"{bucket.uri}/out", bucket.storage)
    check_writable(f"{bucket.uri}/out", bucket.storage)


def test_a_server_that_ignores_the_condition_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.files.create_once", lambda fs, path, data: True)
    with pytest.raises(BadStorage, match="without conditional writes"):
        check_writable(bucket.uri, bucket.storage)


def test_an_open_file_system_survives_a_trip_to_another_process(bucket: Bucket) -> None:
    uri = bucket.put("a", b"1")
    fs, path = open_filesystem(uri, bucket.storage)
    assert read_bytes(pickle.loads(pickle.dumps(fs)), path) == b"1"  # noqa: S301 - our own bytes


def test_two_buckets_of_one_server_do_not_see_each_other(bucket: Bucket, s3_endpoint: str) -> None:
    other = create_bucket(s3_endpoint, f"{bucket.name}-b")
    bucket.put("a", b"1")
    fs, path = open_filesystem(other.uri, other.storage)
    assert list_files(fs, path) == {}
