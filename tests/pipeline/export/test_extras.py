"""An export whose library is not installed says how to install it."""

from pathlib import Path

import pytest

from pipeline.export import polygons
from pipeline.export.annotators import label_studio
from pipeline.export.extras import library
from schemas.errors import BadInput


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(BadInput, match=r"pip install 'vrp-label\[polygons\]'"):
        library("no_such_module_as_this", "polygons")


def test_every_extra_that_an_export_asks_for_is_in_the_project() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    for extra in (polygons.EXTRA, label_studio.EXTRA):
        assert f"\n{extra} = [" in project
