"""A submitted command is begun again when it dies, and only then."""

import subprocess
import sys

import pytest

from jobs.remote import persist


@pytest.mark.parametrize(
    ("codes", "runs", "ended"),
    [
        ([0], 1, 0),
        ([-9, 1, 0], 3, 0),
        ([2], 1, 2),
        ([1, 2], 2, 2),
        ([1, 1, -9], 3, 1),
    ],
)
def test_a_command_is_begun_again_until_it_is_done_or_wrong(
    codes: list[int], runs: int, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        begun.append(command)
        return subprocess.CompletedProcess(command, codes[len(begun) - 1])

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["persist", "3", "train", "job.yaml", "--fold", "1"])
    with pytest.raises(SystemExit) as exit_of:
        persist.main()
    assert exit_of.value.code == ended
    assert len(begun) == runs
    assert begun[0][1:] == ["-m", "jobs.main", "train", "job.yaml", "--fold", "1"]
