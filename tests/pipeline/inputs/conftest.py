"""Where inputs lie: a local folder, and the same on S3."""

from pathlib import Path

import pytest

from schemas.job.storage import Storage
from tests.made.servers.places import Place
from tests.made.servers.s3 import Bucket


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(str(tmp_path / "in"), Storage())
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(f"{bucket.uri}/in", bucket.storage)


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(str(tmp_path), Storage())
