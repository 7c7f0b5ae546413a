"""Where files are kept: a local folder, and the same on S3."""

from pathlib import Path

import pytest

from schemas.job.storage import Storage
from tests.made.servers.s3 import Bucket


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Storage]:
    if request.param == "local":
        return str(tmp_path / "out"), Storage()
    bucket: Bucket = request.getfixturevalue("bucket")
    return f"{bucket.uri}/out", bucket.storage
