"""An address that is no Ray dashboard's, or that never answers, is told as what it is."""

import json
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import pytest

from jobs.remote import ray_jobs
from jobs.remote.ray_jobs import open_client
from schemas.errors import BadInput
from tests.made.servers.s3 import free_port
from tests.made.servers.web import serve_handler


class _Elsewhere(BaseHTTPRequestHandler):
    """A web server of somebody else: of /api/version it knows nothing, or says something else."""

    def do_GET(self) -> None:
        found = self.path.startswith("/other")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep the test output quiet."""


class _Dashboard(_Elsewhere):
    """The version of Ray's own dashboard, and nothing else of it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        shown = {"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""}
        self.wfile.write(json.dumps(shown).encode())


@pytest.fixture(autouse=True)
def as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)


@pytest.mark.parametrize(("below", "status"), [("", 404), ("/other", 200)])
def test_a_web_server_that_is_no_ray_dashboard_is_told_apart(below: str, status: int) -> None:
    with (
        serve_handler(_Elsewhere) as address,
        pytest.raises(BadInput, match=r"no Ray dashboard's") as refused,
    ):
        open_client(address + below)
    assert address in refused.value.where
    assert f"HTTP status {status}" in refused.value.got
    assert "text/html" in refused.value.got
    assert "8265" in refused.value.wanted


def test_a_dashboard_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_jobs, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BadInput, match="does not answer"):
            open_client(address)


def test_an_address_where_nobody_listens_is_told() -> None:
    with pytest.raises(BadInput, match="does not answer"):
        open_client(f"http://127.0.0.1:{free_port()}")


# A process of its own: Ray's modules set the levels of their loggers when they are imported.
_SENT = """
import logging, sys
from jobs.remote.ray_jobs import open_client
open_client(sys.argv[1])
logging.getLogger("ray.dashboard.modules.dashboard_sdk").info("Uploading package")
logging.getLogger("ray.dashboard.modules.job.sdk").info("WebSocket closed")
"""


def test_a_submission_prints_nothing_of_packages_and_connections() -> None:
    with serve_handler(_Dashboard) as address:
        command = [sys.executable, "-c", _SENT, address]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
