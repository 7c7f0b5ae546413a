"""Pack what a node needs to run a job: this package's source, the job, and no data.

Ray names the package by its contents, and a node that once failed to get a package of some name
gives it up for good. So each submission's is another: the submission's id lies in it.
"""

import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

import pipeline
from pipeline.submit.inputs import Document

PACKAGES = ("jobs", "model", "pipeline", "schemas")
# 1.3 MB of text. Whatever else lies in a working tree may be large, or secret.
SOURCE = ("*.py", "*.j2", "*.html", "*.css", "*.js", "*.svg", "heads.json")
JOB_FILE = "job.yaml"
ID_FILE = "submission.txt"


def pack(folder: Path, document: Document, weights: Sequence[Path], submission: str) -> None:
    """Fill an empty folder with our four packages, the weights named, the job and its id."""
    source = Path(pipeline.__path__[0]).parent
    for name in PACKAGES:
        shutil.copytree(source / name, folder / name, ignore=_no_source)
    for path in weights:
        shutil.copy(path, folder / path.relative_to(source))
    (folder / ID_FILE).write_text(submission)
    (folder / JOB_FILE).write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _no_source(folder: str, names: list[str]) -> list[str]:
    """Return which files and folders of a folder are not copied."""
    return [name for name in names if not _is_source(Path(folder) / name)]


def _is_source(path: Path) -> bool:
    if path.is_dir():
        return not path.name.startswith((".", "__pycache__"))
    return path.name[0] != "." and any(fnmatchcase(path.name, pattern) for pattern in SOURCE)
