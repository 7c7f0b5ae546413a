"""Our lines of a job's log, marked where they are written, are told from all others.

A job's log holds what everybody printed: Ray, its workers, Python, and vrp. Ours read
`vrp 11-25 18:48:01 304 images of 800`, in UTC.
"""

import re
from datetime import datetime

MARK = "vrp "
_OURS = re.compile(r"vrp (\d\d-\d\d \d\d:\d\d:\d\d .*)")


def mark(line: str, now: datetime) -> str:
    """Return a line of ours as it stands in a job's log."""
    return f"{MARK}{now:%m-%d %H:%M:%S} {line}"


class Reader:
    """Takes a log as it comes, in pieces that may end within a line; gives what is to be shown."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._rest = ""
        self.hidden = 0
        """Lines that were not shown."""

    def feed(self, text: str) -> str:
        """Return the whole lines to show, each with its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        return "".join(self._shown(line) for line in lines)

    def end(self) -> str:
        """Return what is to be shown of a last line without an end."""
        last, self._rest = self._rest, ""
        return self._shown(last) if last else ""

    def _shown(self, line: str) -> str:
        ours = _OURS.fullmatch(line)
        if ours or self._verbose:
            return f"{ours[1] if ours else line}\n"
        self.hidden += 1
        return ""
