"""Make a worker die or hang on images that a test has marked."""

import os
import signal
import time
from pathlib import Path

import pipeline.images.decode
from pipeline.images.decode import DecodedImage, decode_image
from schemas.job.compute import Limits

# Behind the end of a JPEG, where no decoder looks.
KILLS, HANGS = b"KILLS", b"HANGS"


ROOT = Path(__file__).parents[3]


def python_path(folder: Path) -> str:
    """Return a PYTHONPATH with which every new Python installs this; writes one file."""
    (folder / "sitecustomize.py").write_text(f"from {__name__} import install\ninstall()\n")
    return f"{folder}{os.pathsep}{ROOT}"


def install() -> None:
    """Run in every worker of a test's cluster, as Ray's worker_process_setup_hook."""
    # Before anything else takes it from there; importing what does would load torch in readers too.
    pipeline.images.decode.decode_image = _decode


def _decode(data: bytes, limits: Limits) -> DecodedImage:
    if data.endswith(KILLS):
        os.kill(os.getpid(), signal.SIGKILL)
    if data.endswith(HANGS):
        time.sleep(3600)
    return decode_image(data, limits)
