"""What several test folders share: one S3 server per session, one fresh bucket per test."""

import os
import sys
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.made.servers.s3 import Bucket, create_bucket, serve_s3

# The same examples in every run, however slow the machine is.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The endpoint URL of an S3 server that runs for the whole session."""
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """A bucket no other test has seen."""
    return create_bucket(s3_endpoint, f"test-{uuid.uuid4().hex[:12]}")


STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep what the process is to end with."""
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave at once where Ray was used, all being judged and printed.

    A native thread that outlived its cluster crashed the interpreter's teardown once, after 37 of
    37 tests had passed. Commands of the product run, and are judged, in processes of their own.
    """
    if "ray" in sys.modules and not hasattr(config, "workerinput") and STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[STATUS])
