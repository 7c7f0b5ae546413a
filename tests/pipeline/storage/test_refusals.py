"""Storage that refuses, is not there or does not answer: what is said of it, and no secret."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from s3fs.errors import translate_boto_error

from pipeline.storage.files import (
    check_writable,
    create_once,
    file_size,
    list_files,
    open_filesystem,
    read_bytes,
    replace,
)
from pipeline.storage.place import Place
from pipeline.storage.stored_file import open_file
from schemas.errors import BadStorage, MissingFile, UnreadableFile
from schemas.job.storage import Storage
from tests.made.servers.s3 import SECRET, Bucket, free_port, serve_denials, storage_at


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


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired"]
)
def test_credentials_that_have_expired_are_wrong_input_whichever_word_the_server_has(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, path = open_filesystem("s3://bucket/a", storage_at("http://host:1"))
    answer: Any = {"Error": {"Code": code, "Message": "a token"}}

    def cat_file(path: str, **options: object) -> bytes:
        raise translate_boto_error(ClientError(answer, "GetObject"))

    monkeypatch.setattr(fs, "cat_file", cat_file)
    with pytest.raises(BadStorage, match=f"storage that may not be read(.|\n)*{code}") as raised:
        read_bytes(fs, path)
    assert not isinstance(raised.value, UnreadableFile)


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


def test_an_object_replaced_while_it_is_read_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.stored_file._BLOCK_BYTES", 8)
    place = Place.open(bucket.put("a.tar", b"A" * 64), bucket.storage)
    with open_file(place.fs, place.path, 64) as whole:
        assert whole.read() == b"A" * 64
    with open_file(place.fs, place.path, 64) as torn:
        assert torn.read(8) == b"A" * 8
        bucket.put("a.tar", b"B" * 64)
        with pytest.raises(BadStorage, match=r"changed while it was read(.|\n)*/a\.tar"):
            torn.read()
    with open_file(place.fs, place.path, 64) as again:
        assert again.read() == b"B" * 64
