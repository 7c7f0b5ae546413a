"""Start an S3 server for the tests: moto, a separate process on a free loopback port.

Or use the one that VRP_S3_ENDPOINT names, such as the Ceph gateway that .ci/rgw starts.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from botocore.session import Session
from pydantic import SecretStr

from pipeline.storage.files import open_filesystem, replace
from schemas.job.storage import Storage
from tests.made.servers.web import serve_handler

KEY = "test-key"
SECRET = "a-secret-nobody-may-print"


@dataclass(frozen=True)
class Bucket:
    """A fresh bucket, and the storage section that reaches it."""

    name: str
    storage: Storage

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> str:
        """Write an object and return its URI."""
        uri = f"{self.uri}/{key}"
        fs, path = open_filesystem(uri, self.storage)
        replace(fs, path, data)
        return uri

    def archive(self, key: str) -> None:
        """Move an object to Glacier, where it is listed and cannot be read."""
        assert self.storage.endpoint_url
        _client(self.storage.endpoint_url).copy_object(
            Bucket=self.name, Key=key, CopySource=f"{self.name}/{key}", StorageClass="GLACIER"
        )

    def deny(self, *actions: str) -> None:
        """Forbid actions on objects, such as s3:GetObject, to everybody."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": list(actions),
            "Resource": [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        assert self.storage.endpoint_url
        _client(self.storage.endpoint_url).put_bucket_policy(Bucket=self.name, Policy=policy)


def create_bucket(endpoint: str, name: str) -> Bucket:
    """Create a bucket on the test server."""
    # Not through s3fs: it asks for a location constraint that S3 refuses in us-east-1.
    _client(endpoint).create_bucket(Bucket=name)
    return Bucket(name, storage_at(endpoint))


def _client(endpoint: str) -> Any:
    return Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


def storage_at(endpoint: str) -> Storage:
    """Return a storage section for an endpoint of the tests."""
    return Storage(
        endpoint_url=endpoint,
        region="us-east-1",
        key=SecretStr(KEY),
        secret=SecretStr(SECRET),
    )


@contextmanager
def serve_s3() -> Iterator[str]:
    """Run moto until the block ends, unless there is a server, and yield its endpoint URL."""
    if running := os.environ.get("VRP_S3_ENDPOINT"):
        yield running
        return
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    # Only MOTO's own settings matter to it, and a developer's must not.
    environment = {key: text for key, text in os.environ.items() if not key.startswith("MOTO_")}
    server = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment)
    try:
        _wait_until_ready(endpoint, server)
        yield endpoint
    finally:
        server.terminate()
        server.wait(timeout=10)


class _DenyingHandler(BaseHTTPRequestHandler):
    def _deny(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = _deny

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep the test output quiet."""


@contextmanager
def serve_denials() -> Iterator[str]:
    """Run a server that answers every request with 403, as S3 does without permission to list.

    moto's bucket policies hold for objects but not for listings.
    """
    with serve_handler(_DenyingHandler) as address:
        yield address


def free_port() -> int:
    """Return a port on which nobody listens now, and that Linux gives to nobody who asks for any.

    A server may take seconds until it listens; another test run's may connect hundreds of times.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)  # Linux's own begin at 32768
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("", port))
            return port


def _wait_until_ready(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    # moto starts in 2 s; a loaded machine may need many times that.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the S3 test server ended with exit code {server.returncode}")
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5):  # noqa: S310 - our own http URL
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise RuntimeError(f"the S3 test server did not answer at {endpoint}")
