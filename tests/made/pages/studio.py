"""A studio as an operator starts it, in a process of its own that a test may kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.made.servers.s3 import free_port

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-the-tests-1"


@dataclass
class Studio:
    """A running studio: `address` lets browsers in as often as they like."""

    arguments: tuple[str, ...]
    port: int
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start_again(self) -> None:
        """Start the same command at the same port."""
        self.process = _start(self.arguments, self.port)


@contextmanager
def running_studio(*arguments: str) -> Iterator[Studio]:
    """Run `vrp studio` until the block ends."""
    port = free_port()
    studio = Studio(arguments, port, _start(arguments, port))
    try:
        yield studio
    finally:
        studio.kill()


def _start(arguments: tuple[str, ...], port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.main", "studio", *arguments]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--token", TOKEN],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    lines = list[str]()
    for line in process.stdout:
        if line.startswith("open "):
            return process
        lines.append(line)
    raise AssertionError(f"vrp studio ended: {lines}")
