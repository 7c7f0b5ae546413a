"""Start a Ray head as an operator does: `ray start --head`, with a dashboard and a token."""

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.s3 import free_port

START_S = 120  # 8 s on an idle machine


@dataclass(frozen=True)
class Head:
    """A running head: the dashboard's address, the token, and Ray's folder of logs."""

    address: str
    token: str
    folder: Path


@contextmanager
def serve_head(folder: Path, *options: str) -> Iterator[Head]:
    """Run a head of two cores, on free ports, until the block ends."""
    token = secrets.token_hex(32)
    dashboard = free_port()
    command = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block",
        "--port", str(free_port()), "--num-cpus", "2", "--temp-dir", str(folder),
        "--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard),
        "--dashboard-agent-listen-port", str(free_port()), "--disable-usage-stats",
        *options,
    ]  # fmt: skip
    environment = {
        **{key: text for key, text in os.environ.items() if not key.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (folder / "start.log").open("wb") as log:
        head = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            found = Head(f"http://127.0.0.1:{dashboard}", token, folder)
            _wait_until_ready(found, head)
            yield found
        finally:
            # SIGTERM would do, but Ray then waits half a minute for processes that ignore it.
            os.killpg(head.pid, signal.SIGKILL)
            head.wait(timeout=60)


def _wait_until_ready(found: Head, head: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own http URL
        f"{found.address}/api/jobs/", headers={"Authorization": f"Bearer {found.token}"}
    )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if head.poll() is not None:
            raise RuntimeError((found.folder / "start.log").read_text())
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own http URL
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError((found.folder / "start.log").read_text())
