"""Run a vrp command until it is done or its input is wrong.

python -m jobs.remote.persist TRIES COMMAND…

What `vrp submit` starts on the cluster. Every command goes on where an earlier run stopped, so a
driver that was killed, by memory say, is simply begun again.
"""

import subprocess
import sys

DONE, WRONG_INPUT = 0, 2


def main() -> None:
    """Run the command; end with its last exit code, 1 where a signal ended it."""
    tries, command = int(sys.argv[1]), sys.argv[2:]
    code = 0
    for number in range(1, tries + 1):
        # Our own interpreter and arguments. A job that is stopped stops both processes.
        code = subprocess.run([sys.executable, "-m", "jobs.main", *command], check=False).returncode  # noqa: S603
        if code in (DONE, WRONG_INPUT):
            break
        print(f"run {number} of {tries} ended with code {code}", flush=True)  # noqa: T201
    sys.exit(code if code >= 0 else 1)


if __name__ == "__main__":
    main()
