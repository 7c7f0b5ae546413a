"""What a command imports before it knows that there is work: seconds and a gigabyte otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest

SECONDS_OF_IMPORTS = {
    "torch", "torchvision", "timm", "segment_anything", "ray", "s3fs", "botocore", "aiohttp",
    "tensorboard",
}  # fmt: skip
SPY = """
import sys
from jobs.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code or 0
else:
    code = 0
print("imported", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def imported_by(*arguments: str, code: int = 0) -> set[str]:
    """Run a command in a new process and return the packages it has imported at its end."""
    ran = subprocess.run(
        [sys.executable, "-c", SPY, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return set(ran.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("kind", ["label", "train", "episodes", "embed", "evaluate"])
def test_a_schema_is_printed_without_what_does_the_work(kind: str) -> None:
    assert not imported_by("schema", kind) & SECONDS_OF_IMPORTS


def test_help_is_printed_without_what_does_the_work() -> None:
    packages = imported_by("--help")
    assert not packages & (
        SECONDS_OF_IMPORTS | {"numpy", "pyarrow", "PIL", "fsspec", "yaml", "pydantic", "rich"}
    )
    assert not imported_by("label", "--help") & SECONDS_OF_IMPORTS


@pytest.mark.parametrize("command", ["label", "plan", "train", "episodes", "embed", "evaluate"])
def test_a_mistake_in_a_job_is_told_without_what_does_the_work(
    command: str, tmp_path: Path
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("targts: [1\n")
    assert not imported_by(command, str(path), code=2) & SECONDS_OF_IMPORTS
    path.write_text("targts: {type: images}\n")
    assert not imported_by(command, str(path), code=2) & SECONDS_OF_IMPORTS


def test_jobs_of_a_cluster_are_listed_without_ray() -> None:
    nowhere = ("--address", "http://127.0.0.1:9")
    assert not imported_by("jobs", *nowhere, code=2) & SECONDS_OF_IMPORTS


def test_status_of_local_files_is_read_without_torch_and_ray(tmp_path: Path) -> None:
    assert not imported_by("status", str(tmp_path / "none"), code=2) & SECONDS_OF_IMPORTS


def test_processes_that_encode_masks_import_no_torch() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, pipeline.label.rows; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert not set(ran.stdout.split()) & SECONDS_OF_IMPORTS
