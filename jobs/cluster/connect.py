"""Join the cluster that RAY_ADDRESS names, or start one on this machine."""

from __future__ import annotations

import logging
import os

from schemas.errors import BadInput

# Trailing checksums, the AWS libraries' default, are refused by some S3 servers (Ceph RGW 16).
WORKER_ENV = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
TOKEN_SETUP = "ray._private.authentication.authentication_token_setup"  # noqa: S105 - a logger


def join_cluster() -> None:
    """Initialise Ray, once; its own log lines below warnings stay out of a command's output.

    Raises BadInput where RAY_ADDRESS is no head's that answers.
    """
    import ray

    from jobs.cluster.head import CLUSTER, cluster_of, resolve_address
    from jobs.terminal.console import is_submitted

    address = resolve_address()
    # Behind TLS only Ray's own client knows the certificates.
    if address != "local" and not ray.is_initialized() and os.environ.get("RAY_USE_TLS") != "1":
        found = cluster_of(address)
        home = os.environ.get(CLUSTER, "")
        if home and home != found:
            raise BadInput(
                "another cluster has the address of this job's",
                f"RAY_ADDRESS {address}",
                f"cluster {found}",
                f"cluster {home}, which is lost: submit the job again",
            )
    quiet_ray()
    local = address == "local"
    if local:
        # Processes begun before the job is known serve it only where it wants no environment.
        os.environ.update(WORKER_ENV)
    ray.init(
        address=address,
        runtime_env=None if local else {"env_vars": WORKER_ENV},
        logging_level=logging.WARNING,
        # Workers' lines are kept among Ray's logs of their nodes; a submitted job's log has all.
        log_to_driver=is_submitted(),
        # Of a cluster of this command's own nobody sees the pages, whose processes take seconds.
        include_dashboard=False if local else None,
        ignore_reinit_error=True,
    )


def quiet_ray() -> None:
    """Keep lines of Ray's Python that tell an operator nothing out of a command's output."""
    # Ray Data's log of each execution, and its advice about progress bars, which are ours here.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # That it asks for a token is as it should be; that it does not is still said.
    logging.getLogger(TOKEN_SETUP).addFilter(_is_news)


def _is_news(line: logging.LogRecord) -> bool:
    return "is enabled" not in line.getMessage()
