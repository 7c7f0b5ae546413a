"""Every kind of job has the same shape: it is checked, it is run, and actors do its work."""

import ast
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parents[1] / "pipeline"


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("kind", ["label", "embed", "train", "evaluate"])
def test_a_kind_of_job_is_checked_run_and_done_by_actors(kind: str) -> None:
    folder = PIPELINE / kind
    assert "check" in functions_of(folder / "check.py")
    assert kind in functions_of(folder / "run.py")
    assert "import ray" not in (folder / "check.py").read_text()
    assert (folder / "actor.py").is_file()
