"""Run a vrp command that ends when its parent does: python -m jobs.bound PARENT COMMAND…"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        sys.exit(1)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    # Only now: the imports take seconds, in which the parent may die.
    from jobs.main import main

    main(sys.argv[2:])
