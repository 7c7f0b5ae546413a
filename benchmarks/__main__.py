"""Run every benchmark that has a target, each in a process of its own: `make bench`.

One line of JSON each, then what was not reached. The order is from quick to slow.
"""

import json
import subprocess
import sys

NAMES = (
    "help", "model.rle", "model.decode", "model.relabel", "model.marginal", "model.encoder_fp32",
    "model.encoder_bf16", "model.job_fp32", "model.job_bf16", "model.many", "start", "overhead",
    "scale", "memory", "export",
)  # fmt: skip


def main() -> None:
    """Print the figures; end with 1 where a benchmark could not be run."""
    missed, failed = [], []
    for name in NAMES:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
        ran = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
        if ran.returncode:
            failed.append(name)
            continue
        line = ran.stdout.splitlines()[-1]
        print(line, flush=True)
        figure = json.loads(line)
        if not figure["reached"]:
            missed.append(f"{name} {figure['ratio']:.2f} ({figure['wanted']} {figure['target']:g})")
    print(f"not reached: {', '.join(missed) or 'none'}; not run: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
