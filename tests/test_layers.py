"""The arrows of the house: schemas <- model <- pipeline <- jobs, and what each may import."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "model": {"schemas", "model"},
    "pipeline": {"schemas", "model", "pipeline"},
    "jobs": {"schemas", "model", "pipeline", "jobs"},
}
FORBIDDEN = {
    "schemas": {"torch", "ray", "fsspec", "s3fs", "typer", "rich"},
    "model": {"ray", "fsspec", "s3fs", "typer", "rich", "sys", "argparse"},
    "pipeline": {"typer", "rich", "argparse"},
    "jobs": set(),
}
FILES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards_only(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    names = imported(path)
    assert not (names & MAY_IMPORT.keys()) - MAY_IMPORT[package]
    assert not names & FORBIDDEN[package]


def test_no_file_is_named_after_programming() -> None:
    banned = {"utils", "helpers", "common", "base", "manager", "managers", "registry"}
    assert not [path for path in FILES if path.stem in banned]


def test_no_test_module_imports_another() -> None:
    found = re.compile(r"^\s*(from|import) tests\.([a-z_]+\.)*test_", re.MULTILINE)
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert not [path for path in tests if found.search(path.read_text())]
