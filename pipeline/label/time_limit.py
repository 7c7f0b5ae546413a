"""End a process that one image holds up: a hanging decoder or kernel cannot be interrupted."""

import faulthandler
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h; Ray restarts the actor whatever the code
GRACE_S = 15.0  # for on_expiry, which writes one small object


@contextmanager
def time_limit(seconds: float, on_expiry: Callable[[], None]) -> Iterator[None]:
    """Call on_expiry and end the process unless the block ends within `seconds`.

    A block that never releases the interpreter's lock lets no Python thread run; then the process
    ends without on_expiry, GRACE_S later, by a thread of C.
    """

    def expire() -> None:
        try:
            on_expiry()
        finally:
            os._exit(EXIT_CODE)

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(seconds + GRACE_S, exit=True)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()
