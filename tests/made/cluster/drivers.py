"""Commands as processes of their own, which tests kill: forked, so that none imports torch anew.

Each would take 9 s of a core for that. The server they are forked from has started nothing of Ray.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import ray

ROOT = Path(__file__).parents[3]
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["jobs.label", "jobs.main", "pipeline.label.run", "tests.made.cluster.drivers"]
)


def start(
    command: Callable[[str], None],
    job_file: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> BaseProcess:
    """Start a command of a job file; what it prints goes to the end of `log`."""
    arguments = (command, str(job_file), log, dict(environment or {}))
    driver = FORKED.Process(target=_run, args=arguments)
    driver.start()
    return driver


def _run(
    command: Callable[[str], None], job_file: str, log: Path, environment: Mapping[str, str]
) -> None:
    os.chdir(ROOT)
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        command(job_file)
    finally:
        ray.shutdown()  # a forked process ends without what would do it
