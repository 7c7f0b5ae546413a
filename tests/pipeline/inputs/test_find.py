"""Which folders a pattern has listed, and when."""

import threading
from pathlib import Path

import pytest
from fsspec import AbstractFileSystem

from pipeline.storage.files import list_files
from schemas.job.storage import Storage
from tests.made.data.planned import names, plan, webdataset
from tests.made.servers.places import Place


def test_a_range_is_answered_by_one_listing_of_what_its_names_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(str(tmp_path), Storage())
    place.put({f"{folder}/a-{n:03d}.tar": b"x" for folder in "st" for n in range(20)})
    asked: list[tuple[str, str, bool]] = []

    def recording_list(fs: AbstractFileSystem, folder: str, stem: str, *, deep: bool) -> object:
        asked.append((folder, stem, deep))
        return list_files(fs, folder, stem, deep=deep)

    monkeypatch.setattr("pipeline.inputs.find.list_files", recording_list)
    plan(webdataset(f"{tmp_path}/s/a-{{000..019}}.tar"), place)
    assert asked == [(f"{tmp_path}/s", "a-0", False)]
    asked.clear()
    plan(webdataset(f"{tmp_path}/{{s,t}}/a-{{000..009}}.tar"), place)
    # Both at once, so that either may be asked for first.
    assert sorted(asked) == [(f"{tmp_path}/{folder}", "a-00", False) for folder in "st"]


def test_folders_of_a_range_are_listed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(str(tmp_path), Storage())
    place.put({f"{folder}/a.tar": b"x" for folder in ("00", "01", "02")})
    together = threading.Barrier(3)

    def list_together(fs: AbstractFileSystem, folder: str, stem: str, *, deep: bool) -> object:
        together.wait(timeout=60)
        return list_files(fs, folder, stem, deep=deep)

    monkeypatch.setattr("pipeline.inputs.find.list_files", list_together)
    planned = plan(webdataset(f"{tmp_path}/{{02..00}}/a.tar"), place)
    assert names(planned) == ["00/a.tar", "01/a.tar", "02/a.tar"]
