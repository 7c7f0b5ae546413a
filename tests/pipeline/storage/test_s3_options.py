"""What a storage section asks for reaches the server, with every request it is meant for."""

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from pipeline.storage.files import create_once, list_files, open_filesystem, read_bytes, replace
from pipeline.storage.patient_s3 import PatientS3
from pipeline.submit.inputs import upload_once
from schemas.job.storage import KmsEncryption, S3KeyEncryption, Storage
from tests.made.servers.s3 import Bucket

KEY = "arn:aws:kms:us-east-1:123456789012:key/labels"


def opened(bucket: Bucket, **options: Any) -> tuple[PatientS3, str, Storage]:
    storage = bucket.storage.model_copy(update=options)
    fs, path = open_filesystem(bucket.uri, storage)
    return cast("PatientS3", fs), path, storage


def encryption_of(fs: PatientS3, path: str) -> tuple[str | None, str | None]:
    bucket, _, key = path.partition("/")
    head = cast("dict[str, str]", fs.call_s3("head_object", Bucket=bucket, Key=key))
    return head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")


@pytest.mark.parametrize(
    ("encryption", "stored"),
    [
        (KmsEncryption(type="aws:kms", key_id=KEY), ("aws:kms", KEY)),
        (S3KeyEncryption(type="AES256"), ("AES256", None)),
        (None, (None, None)),
    ],
)
def test_every_object_is_written_with_the_encryption_asked_for(
    encryption: object, stored: tuple[str | None, str | None], bucket: Bucket, tmp_path: Path
) -> None:
    fs, root, storage = opened(bucket, encryption=encryption)
    create_once(fs, f"{root}/part", b"1")
    assert create_once(fs, f"{root}/part", b"1")  # read back, to compare
    replace(fs, f"{root}/commit", b"2")
    (tmp_path / "weights").write_bytes(b"3")
    uploaded = upload_once(tmp_path / "weights", f"{bucket.uri}/inputs", storage)
    for path in (f"{root}/part", f"{root}/commit", uploaded.removeprefix("s3://")):
        assert encryption_of(fs, path) == stored
    assert read_bytes(fs, f"{root}/part") == b"1"


def test_the_requester_pays_for_every_request_if_asked_to(bucket: Bucket) -> None:
    fs, root, _ = opened(bucket, requester_pays=True)
    fs.connect()
    seen: list[tuple[str, bytes | None]] = []

    def note(request: Any, **_: Any) -> None:
        seen.append((request.method, request.headers.get("x-amz-request-payer")))

    client: Any = fs._s3
    client.meta.events.register("before-send.s3", note)
    replace(fs, f"{root}/a/b", b"1")
    read_bytes(fs, f"{root}/a/b")
    fs.info(f"{root}/a/b")
    list_files(fs, f"{root}/a")
    assert {method for method, _ in seen} == {"PUT", "GET", "HEAD"}
    assert {payer for _, payer in seen} == {b"requester"}


def test_a_key_without_its_kind_of_encryption_is_refused() -> None:
    with pytest.raises(ValidationError, match="key_id"):
        Storage.model_validate({"encryption": {"type": "AES256", "key_id": KEY}})
