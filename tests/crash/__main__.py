"""`python -m tests.crash --seed 7`: print every kill and, as the last line, one JSON object."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.crash.suite import Settings, run


def main() -> None:
    """Run the suite; exit code 1 when anything was lost, doubled or changed."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    given = parser.parse_args()

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    say(f"seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="vrp-crash-") as folder:
        tally = run(Settings(given.seed, given.images, given.kills, say=say), Path(folder))
    say(tally.as_json(given.seed))
    sys.exit(bool(tally.duplicates or tally.losses or tally.faults))


main()
