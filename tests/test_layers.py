"""The arrows of the house: which folder may import which, and where Ray, torch and storage may be.

A new arrow is a decision: it goes into the table (tests/made/arrows.py), which has no circles.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.made.arrows import ARROWS, SCHEMAS

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "model", "pipeline", "jobs")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


COMMANDS = {
    "jobs",
    "jobs/cluster",
    "jobs/export",
    "jobs/own_weights",
    "jobs/remote",
    "jobs/review",
    "jobs/terminal",
    "jobs/trust",
}

# Library, and the only folders that may import it.
LIBRARIES: dict[str, set[str]] = {
    "torch": {
        "model/build",
        "model/checkpoints",
        "model/clicks",
        "model/embed",
        "model/masks",
        "model/methods",
        "model/networks",
        "model/segmenter",
        "model/side_by_side",
        "model/training",
        "model/whole_image",
        "pipeline/embed",
        "pipeline/label",
        "pipeline/lite",
        "pipeline/train",
    },
    "segment_anything": {
        "model/checkpoints",
        "model/methods",
        "model/networks",
        "model/training",
    },
    "timm": {"model/networks"},
    "ray": {
        "jobs",
        "jobs/cluster",
        "jobs/remote",
        "pipeline/cluster",
        "pipeline/evaluate",
        "pipeline/monitoring",
        "pipeline/train",
    },
    "fsspec": {
        "pipeline/datasets",
        "pipeline/inputs",
        "pipeline/label",
        "pipeline/storage",
        "pipeline/train",
        "pipeline/weights",
    },
    "s3fs": {"pipeline/storage"},
    "botocore": {"pipeline/storage"},
    "aiobotocore": {"pipeline/storage"},
    "jinja2": {"pipeline/report"},
    "fastapi": {"pipeline/studio"},
    "starlette": {"jobs/review", "pipeline/studio"},
    "uvicorn": {"jobs/review"},
    "typer": COMMANDS,
    "rich": COMMANDS,
}


def folder_of(parts: tuple[str, ...]) -> str:
    """Return the folder of a module given by its parts; of a file of model/, the file itself."""
    name = "/".join(parts[:2])
    return name if (ROOT / name).is_dir() or parts[0] == "model" else parts[0]


def imports(path: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield tuple((node.module or "").split("."))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_what_the_table_allows(path: Path) -> None:
    folder = folder_of(path.relative_to(ROOT).with_suffix("").parts)
    allowed = ARROWS.get(folder, set()) | {folder} | (set() if folder in SCHEMAS else SCHEMAS)
    for parts in imports(path):
        if parts[0] in PACKAGES:
            other = folder_of(parts)
            assert other in allowed, f"{folder} imports {other}"
        else:
            assert folder in LIBRARIES.get(parts[0], {folder}), f"{folder} imports {parts[0]}"


def test_no_arrow_of_the_table_runs_in_a_circle_or_is_unused() -> None:
    graphlib.TopologicalSorter(ARROWS).prepare()
    used = {
        (folder_of(path.relative_to(ROOT).with_suffix("").parts), folder_of(parts))
        for path in FILES
        for parts in imports(path)
        if parts[0] in PACKAGES
    }
    allowed = {(folder, other) for folder, others in ARROWS.items() for other in others}
    assert not allowed - used


def test_no_file_is_named_after_programming() -> None:
    banned = {"utils", "helpers", "common", "base", "manager", "managers", "registry", "handler"}
    assert not [path for path in FILES if path.stem in banned]


def test_no_folder_is_too_full_and_no_file_too_long() -> None:
    beside = [
        path for name in ("tests", "benchmarks", "examples") for path in (ROOT / name).rglob("*.py")
    ]
    folders = {path.parent for path in (*FILES, *beside)}
    assert not {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len([p for p in folder.glob("*.py") if p.stem != "__init__"])) > 15
    }
    assert not [p for p in (*FILES, *beside) if len(p.read_text().splitlines()) > 300]


def test_no_function_is_longer_than_a_screen() -> None:
    assert not [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 50
    ]


def test_no_test_module_imports_another() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        names = [part for parts in imports(path) for part in parts if parts[0] == "tests"]
        assert not [name for name in names if name.startswith("test_")], path
