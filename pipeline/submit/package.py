"""Pack what a node needs to run a job: this package's source, the job, and no data.

Ray names the package by its contents, so that the same job submitted twice travels once.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

import pipeline
from pipeline.submit.inputs import Document

PACKAGES = ("jobs", "model", "pipeline", "schemas")
JOB_FILE = "job.yaml"


def pack(folder: Path, document: Document, weights: Sequence[Path]) -> None:
    """Fill an empty folder with our four packages, the weights named, and the job."""
    source = Path(pipeline.__path__[0]).parent
    for name in PACKAGES:
        # No weights but those named, no bytecode: what a node needs is 1.3 MB of text.
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(source / name, folder / name, ignore=ignored)
    for path in weights:
        shutil.copy(path, folder / path.relative_to(source))
    (folder / JOB_FILE).write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
