"""Run a vrp command until it is done or its input is wrong: python -m … ID TRIES COMMAND…

What `vrp submit` starts on the cluster. Every command goes on where an earlier run stopped, so a
driver that was killed, by memory say, is simply begun again; on the cluster it was sent to and on
no other: a head begun anew at the same address knows nothing of this job. The command ends when
this process does, and this process when Ray's supervisor of the job does.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

from jobs.cluster.head import CLUSTER, cluster_of
from jobs.remote.child import Child
from jobs.remote.job_log import mark
from jobs.terminal.console import LINES_FD, SUBMISSION
from schemas.errors import BadInput

DONE, FAILED, WRONG_INPUT = 0, 1, 2
FIRST_PAUSE_S, PAUSE_GROWTH = 5.0, 4.0  # 5 s, 20 s, …: what killed a driver may go on for a while
HEAD_BACK_S = 60.0  # a head with an outside store of its state comes back as the same cluster


@dataclass(frozen=True)
class Persistence:
    """How often a command is tried, and what of the outside that needs."""

    tries: int
    run: Callable[[Mapping[str, str]], int]
    """Run the command with these variables to its end; return its code, below 0 for a signal."""
    cluster: Callable[[], str]
    """Return the id of the cluster; raises BadInput where none answers."""
    stopped: Callable[[], bool]
    """True once somebody asked for the job's end."""
    say: Callable[[str], None]
    sleep: Callable[[float], None]

    def last(self) -> int:
        """Run the command until it is done, is wrong, or was tried often enough; return its code.

        1 where a signal ended it, or its cluster is lost.
        """
        try:
            home = self.cluster()
        except BadInput as error:
            self.say(f"the head is lost before the job began: {error.got}. {SUBMIT_AGAIN}")
            return FAILED
        code = FAILED
        for number in range(1, self.tries + 1):
            code = self.run({CLUSTER: home})
            if code in (DONE, WRONG_INPUT):
                return code
            if self.stopped():
                self.say(f"stopped. {SUBMIT_AGAIN}")
                return FAILED
            if number == self.tries:
                self.say(f"{ending(code)}; that was the last of {self.tries} tries. {SUBMIT_AGAIN}")
                break
            pause_s = FIRST_PAUSE_S * PAUSE_GROWTH ** (number - 1)
            again = f"begun again in {pause_s:.0f} s ({number + 1} of {self.tries})"
            self.say(f"{ending(code)}; {again}")
            self.sleep(pause_s)
            if self.stopped():
                return FAILED
            if lost := self._lost(home):
                self.say(f"{lost}. {SUBMIT_AGAIN}")
                return FAILED
        return code if code > 0 else FAILED

    def _lost(self, home: str) -> str | None:
        """Return how the cluster was lost, None where it is there; wait for a head to come back."""
        left_s = HEAD_BACK_S
        while True:
            try:
                if self.cluster() == home:
                    return None
                return "the head was lost, and another cluster has its address now"
            except BadInput as error:
                if left_s <= 0:
                    return f"the head is lost: {error.got}"
            self.sleep(FIRST_PAUSE_S)
            left_s -= FIRST_PAUSE_S


SUBMIT_AGAIN = "What is committed stays; submit the same job again to go on"


def ending(code: int) -> str:
    """Say how a driver ended."""
    if code == -signal.SIGKILL:
        return "the driver was killed (by SIGKILL: often by the system, for memory)"
    if code < 0:
        return f"the driver was killed (by {signal.Signals(-code).name})"
    return f"the driver ended with code {code}"


def read_arguments(arguments: Sequence[str]) -> tuple[str, int, list[str]]:
    """Return ID, TRIES and COMMAND of a command line."""
    submission, tries, *command = arguments
    return submission, int(tries), command


def main(arguments: Sequence[str] = sys.argv[1:]) -> None:
    """Run the command; end with its last exit code, 1 where a signal ended it."""
    submission, tries, command = read_arguments(arguments)
    address = os.environ.get("RAY_ADDRESS", "")
    bound = [sys.executable, "-m", "jobs.bound", str(os.getpid()), *command]
    child = Child(bound, LINES_FD, _say, _pass_on)

    def stop(number: int, _: FrameType | None) -> None:
        # Ray sends it to the command too, and kills both 3 s later: until then it may clean up.
        child.stop()

    signal.signal(signal.SIGTERM, stop)
    persistence = Persistence(
        tries=tries,
        run=lambda variables: child.run({SUBMISSION: submission, **variables}),
        cluster=lambda: cluster_of(address) if address else "",
        stopped=lambda: child.stopped,
        say=_say,
        sleep=time.sleep,
    )
    code = persistence.last()
    _say(f"all that was printed, Ray's lines too: vrp logs --verbose {submission}{_log_file()}")
    sys.exit(code)


def _log_file() -> str:
    """Return where this process prints to, if that is a file: Ray's log of the job."""
    path = os.path.realpath("/proc/self/fd/1")
    return f", or {path} on {socket.gethostname()}" if os.path.isfile(path) else ""


def _say(line: str) -> None:
    _pass_on(mark(line, datetime.now(UTC)))


def _pass_on(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
