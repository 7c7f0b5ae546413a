"""Pack what a node needs to run a job: this package's source, the job, and no data.

Ray names the package by its contents, and a node that once failed to get a package of some name
gives it up for good. So each submission's is another: the submission's id lies in it.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

import pipeline
from pipeline.submit.inputs import Document

PACKAGES = ("jobs", "model", "pipeline", "schemas")
JOB_FILE = "job.yaml"
ID_FILE = "submission.txt"


def pack(folder: Path, document: Document, weights: Sequence[Path], submission: str) -> None:
    """Fill an empty folder with our four packages, the weights named, the job and its id."""
    source = Path(pipeline.__path__[0]).parent
    for name in PACKAGES:
        # No weights but those named, no bytecode: what a node needs is 1.3 MB of text.
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(source / name, folder / name, ignore=ignored)
    for path in weights:
        shutil.copy(path, folder / path.relative_to(source))
    (folder / ID_FILE).write_text(submission)
    (folder / JOB_FILE).write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
