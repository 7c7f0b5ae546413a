"""Of a job that was sent and has not begun its head is asked; one that is gone ends the wait."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobs import status as status_command
from jobs.remote.unbegun import with_head
from pipeline.output.paths import SUBMITTED
from pipeline.status.run_state import RunState, read_run_state
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.at_work import Submitted
from tests.made.jobs.commands import run
from tests.made.servers.web import serve_handler

ID = "label-20261126-192836-05c549"
TOKEN = "a-token"


class _Head(BaseHTTPRequestHandler):
    """A dashboard that knows these jobs, and asks for the token."""

    known: ClassVar[dict[str, dict[str, Any]]] = {}

    def do_GET(self) -> None:
        known = {"/api/version": {"ray_version": "2.60.0"}}
        known |= {f"/api/jobs/{name}": told for name, told in self.known.items()}
        status = 200 if self.path in known else 404
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status = 401
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(known.get(self.path)).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep the test output quiet."""


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setattr(_Head, "known", {})
    with serve_handler(_Head) as address:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
        yield address


def sent(folder: Path, head: str | None) -> RunState:
    """Leave what `vrp submit` leaves, and read it."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    record = Submitted(run=ID, kind="label", at=at, head=head)
    output = Place.open(str(folder), Storage())
    output.below(SUBMITTED).replace(record.model_dump_json().encode())
    return read_run_state(output)


@pytest.mark.parametrize(
    ("told", "state", "says"),
    [
        ({"status": "PENDING"}, "submitted", "waits for the head"),
        ({"status": "RUNNING"}, "submitted", "checks its inputs"),
        ({"status": "SUCCEEDED"}, "done", ID),
        ({"status": "STOPPED"}, "stopped", "goes on"),
        (
            {"status": "FAILED", "message": "no such package\nat line 7"},
            "failed",
            "no such package",
        ),
        (None, "lost", "does not know it"),
    ],
)
def test_a_job_that_has_not_begun_is_what_its_head_says(
    told: dict[str, Any] | None, state: str, says: str, head: str, tmp_path: Path
) -> None:
    if told is not None:
        _Head.known[ID] = told
    found = with_head(sent(tmp_path, head), head)
    assert found.state == state
    assert says in found.says
    assert "\n" not in found.says


def test_a_token_goes_to_no_head_but_the_one_the_user_names(head: str, tmp_path: Path) -> None:
    found = with_head(sent(tmp_path, "http://elsewhere:8265"), head)
    assert found.state == "submitted"
    assert "http://elsewhere:8265, ask it with --address" in found.says


def test_a_refused_token_is_no_lost_job(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    _Head.known[ID] = {"status": "RUNNING"}
    found = with_head(sent(tmp_path, head), head)
    assert found.state == "unknown"
    assert "401" in found.says


def test_watching_a_job_whose_head_is_lost_before_it_began_says_what_to_do_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_command, "LOST_S", 0.3)
    nobody = "http://127.0.0.1:9"
    sent(tmp_path, nobody)
    watch = ("status", str(tmp_path), "--watch", "--every", "0.1", "--address", nobody)
    code, out, _ = run(capsys, *watch)
    assert code == 1
    (line,) = out.splitlines()
    assert ID in line
    assert f"its head at {nobody} cannot be asked (no connection)" in line
    assert "`vrp submit label` of the same job goes on" in line
