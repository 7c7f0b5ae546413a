"""What several test folders share: one S3 server per session, one fresh bucket per test."""

import uuid
from collections.abc import Iterator

import pytest

from tests.s3 import Bucket, create_bucket, serve_s3


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The endpoint URL of an S3 server that runs for the whole session."""
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(moto_server: str) -> Bucket:
    """A bucket no other test has seen."""
    return create_bucket(moto_server, f"test-{uuid.uuid4().hex[:12]}")
