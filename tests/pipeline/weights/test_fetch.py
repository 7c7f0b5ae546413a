"""Weights by name: fetched once per node, whole and checked, or an error that says what came."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.weights.catalogue import CATALOGUE, Published
from pipeline.weights.fetch import is_at_hand, localise, sha256_of
from schemas.errors import BadInput, BadStorage, BadWeights, MissingFile
from schemas.job.storage import Storage
from tests.made.servers.s3 import Bucket
from tests.made.servers.web import Answer, Site, serve_web

DATA = bytes(range(256)) * 40


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_web() as running:
        yield running


def cached(folder: Path) -> list[str]:
    """Every file of the cache but the locks."""
    return [path.name for path in (folder / "weights").iterdir() if path.suffix != ".lock"]


def catalogued(monkeypatch: pytest.MonkeyPatch, address: str, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    entry = Published(address, "sam", "vit_b", digest, len(data))
    monkeypatch.setitem(CATALOGUE, "ours", entry)


def refused(name: str, folder: Path, kind: type[BadInput] = BadStorage) -> str:
    with pytest.raises(kind) as caught:
        localise(name, Storage(), folder)
    assert cached(folder) == []
    return str(caught.value)


def test_a_local_file_is_used_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(DATA)
    assert localise(str(path), Storage(), tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("none.pth", "no such file"),
        ("", "a folder"),
        ("lite_vrp", "did you mean lite-vrp?"),
    ],
)
def test_a_name_that_is_no_file_is_refused(tmp_path: Path, name: str, got: str) -> None:
    with pytest.raises(BadWeights, match=got):
        localise(str(tmp_path / name), Storage(), tmp_path)


def test_a_web_file_is_fetched_once(site: Site, tmp_path: Path) -> None:
    address = site.put("some/a.pth", DATA)
    paths = {localise(address, Storage(), tmp_path) for _ in range(3)}
    assert [path.read_bytes() for path in paths] == [DATA]
    assert site.downloads == ["/some/a.pth"]


def test_a_catalogued_file_in_the_cache_needs_no_network(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogued(monkeypatch, site.put("a.pth", DATA), DATA)
    assert not is_at_hand("ours", tmp_path)
    path = localise("ours", Storage(), tmp_path)
    site.answers.clear()
    assert is_at_hand("ours", tmp_path)
    assert localise("ours", Storage(), tmp_path) == path
    assert path.read_bytes() == DATA


def test_an_s3_object_is_fetched_once_and_again_when_it_is_replaced(
    bucket: Bucket, tmp_path: Path
) -> None:
    uri = bucket.put("models/a.safetensors", DATA)
    first = localise(uri, bucket.storage, tmp_path)
    fetched = first.stat()
    assert localise(uri, bucket.storage, tmp_path) == first
    assert first.stat() == fetched
    bucket.put("models/a.safetensors", DATA[::-1])
    assert localise(uri, bucket.storage, tmp_path).read_bytes() == DATA[::-1]


def test_an_s3_object_that_is_not_there_is_named(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=f"{bucket.uri}/none.pth"):
        localise(f"{bucket.uri}/none.pth", bucket.storage, tmp_path)


def test_a_file_that_is_not_the_published_one_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = site.put("a.pth", b"<html>Please sign in</html>")
    catalogued(monkeypatch, address, DATA)
    said = refused("ours", tmp_path, BadWeights)
    assert hashlib.sha256(DATA).hexdigest() in said
    assert hashlib.sha256(b"<html>Please sign in</html>").hexdigest() in said
    assert address in said


def test_a_download_that_ends_early_leaves_nothing(site: Site, tmp_path: Path) -> None:
    address = site.put("a.pth", Answer(DATA, promised_bytes=len(DATA) + 1))
    assert f"received {len(DATA)} of {len(DATA) + 1} bytes" in refused(address, tmp_path)
    site.put("a.pth", DATA + b"!")
    assert localise(address, Storage(), tmp_path).read_bytes() == DATA + b"!"


def test_a_server_that_falls_silent_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.weights.fetch._SILENCE_S", 0.5)
    silence = threading.Event()
    address = site.put("a.pth", Answer(DATA, hold=silence))
    said = refused(address, tmp_path)
    silence.set()
    assert "imeout" in said


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_what_a_web_server_refuses_is_told_without_the_signature(
    site: Site, tmp_path: Path, status: int
) -> None:
    address = site.put("a.pth", Answer(status=status))
    with pytest.raises(BadStorage) as caught:
        localise(f"{address}?signature=a-secret", Storage(), tmp_path)
    assert f"HTTP status {status}" in str(caught.value)
    assert address in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_a_signed_address_names_a_file_by_its_path(site: Site, tmp_path: Path) -> None:
    address = site.put("a.safetensors", DATA)
    path = localise(f"{address}?signature=a-secret", Storage(), tmp_path)
    assert path.name.endswith("-a.safetensors")


def fetch_elsewhere(address: str, folder: Path) -> subprocess.Popen[str]:
    """Start another process that wants the same weights and prints where they are."""
    code = (
        "import sys; from pathlib import Path; from pipeline.weights.fetch import localise;"
        "from schemas.job.label import Storage;"
        "print(localise(sys.argv[1], Storage(), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, address, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_download(site: Site) -> None:
    deadline = time.monotonic() + 120
    while not site.downloads:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def whole(folder: Path) -> list[str]:
    return [name for name in cached(folder) if not name.startswith(".")]


def test_two_processes_that_want_a_file_at_once_fetch_it_once(site: Site, tmp_path: Path) -> None:
    hold = threading.Event()
    address = site.put("a.pth", Answer(DATA, hold=hold))
    other = fetch_elsewhere(address, tmp_path)
    wait_for_download(site)
    assert whole(tmp_path) == []
    found: list[Path] = []
    here = threading.Thread(target=lambda: found.append(localise(address, Storage(), tmp_path)))
    here.start()
    hold.set()
    here.join()
    assert other.communicate()[0].strip() == str(found[0])
    assert found[0].read_bytes() == DATA
    assert site.downloads == ["/a.pth"]


def test_a_process_killed_while_downloading_leaves_nothing_to_the_next(
    site: Site, tmp_path: Path
) -> None:
    hold = threading.Event()
    address = site.put("a.pth", Answer(DATA, hold=hold))
    other = fetch_elsewhere(address, tmp_path)
    wait_for_download(site)
    other.kill()
    other.communicate()
    hold.set()
    assert whole(tmp_path) == []
    site.put("a.pth", DATA)
    path = localise(address, Storage(), tmp_path)
    assert path.read_bytes() == DATA
    assert cached(tmp_path) == [path.name]


def test_a_file_is_hashed_again_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(DATA)
    digest = sha256_of(path, tmp_path)
    assert digest == hashlib.sha256(DATA).hexdigest()
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.weights.fetch._hash", lambda _: "never asked")
        assert sha256_of(path, tmp_path) == digest
    path.write_bytes(DATA + b"!")
    assert sha256_of(path, tmp_path) == hashlib.sha256(DATA + b"!").hexdigest()
