"""Join the cluster that RAY_ADDRESS names, or start one on this machine."""

import logging
import os

# Trailing checksums, the AWS libraries' default, are refused by some S3 servers (Ceph RGW 16).
WORKER_ENV = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}


def join_cluster() -> None:
    """Initialise Ray, once; its own log lines below warnings stay out of a command's output.

    Raises BadInput where RAY_ADDRESS is no head's that answers.
    """
    import ray

    from jobs.head import cluster_of, resolve_address

    address = resolve_address()
    # Behind TLS only Ray's own client knows the certificates.
    if address != "local" and not ray.is_initialized() and os.environ.get("RAY_USE_TLS") != "1":
        cluster_of(address)
    # Ray Data's log of each execution, and its advice about progress bars, which are ours here.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.init(
        address=address,
        runtime_env={"env_vars": WORKER_ENV},
        logging_level=logging.WARNING,
        ignore_reinit_error=True,
    )
