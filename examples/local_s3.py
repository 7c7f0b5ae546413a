"""Start an S3 server on this machine, for trials without a bucket of one's own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

START_S = 60.0  # moto answers after 2 s; a loaded machine may need many times that


@contextlib.contextmanager
def local_bucket(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Serve one empty bucket until the block ends; yield its URI and a job's storage section.

    Raises TimeoutError when the server does not start.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    # Any key will do for this server; the workers read theirs from the environment too.
    os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet)  # noqa: S603 - our own command
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _create_bucket(f"{endpoint}/{name}")
        yield f"s3://{name}", {"endpoint_url": endpoint, "region": "us-east-1"}
    finally:
        server.terminate()
        server.wait(timeout=10)


def _create_bucket(url: str) -> None:
    request = urllib.request.Request(url, method="PUT")  # noqa: S310 - our own http URL
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - our own http URL
        except urllib.error.URLError:
            time.sleep(0.1)  # not listening yet
        else:
            return
    raise TimeoutError(f"the S3 server did not answer at {url} within {START_S:.0f} s")
