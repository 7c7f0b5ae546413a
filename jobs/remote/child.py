"""Run a command as a child that never outlives this process; pass its lines on, by their kind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock, Thread

LOOK_S = 1.0  # between looks whether the parent still lives
DRAIN_S = 2.0  # for what a child that has ended has printed; a grandchild may hold its pipe open


class Child:
    """A command that can be run several times; its lines go to `own` and to `other`.

    Own lines are what it writes to the descriptor that the variable `lines_fd` names; other ones
    are its standard output and error.
    """

    def __init__(
        self,
        command: Sequence[str],
        lines_fd: str,
        own: Callable[[str], None],
        other: Callable[[str], None],
    ) -> None:
        self.stopped = False
        """True once a stop was asked for."""
        self._command, self._lines_fd = list(command), lines_fd
        self._own, self._other = own, other
        self._parent = os.getppid()
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = Lock()

    def stop(self) -> None:
        """Ask the child to end; it is not run again."""
        self.stopped = True
        if self._process is not None:
            self._process.terminate()

    def run(self, variables: Mapping[str, str]) -> int:
        """Run the command to its end; return its code, minus the signal that ended it.

        Ends this process, and with it the command, when the parent of this process ends.
        """
        if self.stopped:
            return -signal.SIGTERM
        (own, own_end), (other, other_end) = os.pipe(), os.pipe()
        process = self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            self._command,
            stdout=other_end,
            stderr=other_end,
            env={**os.environ, **variables, self._lines_fd: str(own_end)},
            pass_fds=(own_end,),
        )
        readers = [
            Thread(target=self._pass_on, args=(own, self._own), daemon=True),
            Thread(target=self._pass_on, args=(other, self._other), daemon=True),
        ]
        for reader in readers:
            reader.start()
        os.close(own_end)
        os.close(other_end)
        code: int | None = None
        while code is None:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(LOOK_S)
            if os.getppid() != self._parent:
                process.kill()
                sys.exit(1)
        for reader in readers:
            reader.join(DRAIN_S)
        return code

    def _pass_on(self, pipe: int, sink: Callable[[str], None]) -> None:
        with os.fdopen(pipe, errors="replace") as file:
            for line in file:
                with self._one_at_a_time:
                    sink(line.removesuffix("\n"))
