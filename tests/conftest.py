"""What several test folders share: one S3 server per session, one fresh bucket per test."""

import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.made.servers.s3 import Bucket, create_bucket, serve_s3

# Kernels of Triton run on the CPU, which it must know before it is imported.
os.environ["TRITON_INTERPRET"] = "1"

# The same examples in every run, however slow the machine is.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def own_clusters() -> Iterator[None]:
    """Keep Ray's files of this process's clusters apart, and those of other clusters out of sight.

    Ray has one folder for all clusters of a machine, with one file that says which began last.
    """
    # Short: sockets lie 80 bytes below, and Linux takes 107.
    own = tempfile.TemporaryDirectory(prefix="vrp-", dir="/tmp", ignore_cleanup_errors=True)
    with own as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_TMPDIR", folder)
        # A cluster of this machine, which small jobs would else do without.
        environment.setenv("RAY_ADDRESS", "local")
        # A first local cluster would else make this process ask for a token from then on, and not
        # the server that drivers are forked from. Heads with a token are started with their own.
        environment.setenv("RAY_AUTH_MODE", "disabled")
        # Ray's workers have niceness 15 by default: beside other work they would hardly run.
        environment.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The endpoint URL of an S3 server that runs for the whole session."""
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """A bucket no other test has seen."""
    return create_bucket(s3_endpoint, f"test-{uuid.uuid4().hex[:12]}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that may take longest: a last long one would keep a single core busy.

    How long a test may take is its timeout mark; others take far less.
    """
    longest: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0.0), mark.args[0] if mark else 0.0)
    items.sort(key=lambda item: -longest[item.path])


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
