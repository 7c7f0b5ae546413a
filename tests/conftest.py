"""What several test folders share: one S3 server per session, one fresh bucket per test."""

import uuid
from collections.abc import Iterator

import pytest

from tests.s3 import Bucket, create_bucket, serve_s3


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The endpoint URL of an S3 server that runs for the whole session."""
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """A bucket no other test has seen."""
    return create_bucket(s3_endpoint, f"test-{uuid.uuid4().hex[:12]}")
