"""Whether an output can be written, asked before any work."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.storage.files import (
    check_writable,
    list_files,
    open_filesystem,
)
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.storage import Storage
from tests.made.servers.s3 import Bucket


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


def test_memory_is_no_place_for_an_output() -> None:
    with pytest.raises(BadStorage, match="each process has of its own"):
        check_writable("memory://out", Storage())
