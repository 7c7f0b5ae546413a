"""Join the cluster that RAY_ADDRESS names, or start one on this machine."""

import logging
import os

import ray

# Trailing checksums, the AWS libraries' default, are refused by some S3 servers (Ceph RGW 16).
WORKER_ENV = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}


def join_cluster() -> None:
    """Initialise Ray, once; its own log lines below warnings stay out of a command's output.

    Without an address Ray would join whatever cluster of this machine was started last, which may
    be somebody else's, or dead (minutes of silence). `RAY_ADDRESS=auto` still asks for that.
    """
    # Ray Data's log of each execution, and its advice about progress bars, which are ours here.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.init(
        address=os.environ.get("RAY_ADDRESS", "local"),
        runtime_env={"env_vars": WORKER_ENV},
        logging_level=logging.WARNING,
        ignore_reinit_error=True,
    )
