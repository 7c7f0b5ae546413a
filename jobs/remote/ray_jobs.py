"""Talk to a cluster's job server: its address and token become a client, its answers our errors."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import aiohttp
import requests
import typer
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from jobs.token import WANTED_TOKEN, read_token
from schemas.errors import BadInput

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS",
        help="Of the cluster's dashboard, e.g. what `ray dashboard cluster.yaml` forwards.",
    ),
]
LOCAL_DASHBOARD = "http://127.0.0.1:8265"
SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="As `vrp jobs` prints it.")]


def open_client(address: str) -> JobSubmissionClient:
    """Connect to the job server at http(s)://host:port, with this user's Ray token if there is one.

    Raises BadInput: no such server, or one that refuses the token.
    """
    if not address.startswith(("http://", "https://")):
        raise BadInput("an address that is no URL", "--address", address, "http://host:8265")
    # Ray lets RAY_ADDRESS, which may name another cluster, win over the address it is given; only
    # this variable wins over that.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    token = read_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with answered(address):
        return JobSubmissionClient(address, headers=headers)


@contextmanager
def answered(address: str) -> Iterator[None]:
    """Raise what the job server refuses as BadInput."""
    try:
        yield
    except AuthenticationError as error:
        had = "a token it does not accept" if read_token() else "no token"
        raise BadInput(
            "the cluster refuses this user",
            address,
            had,
            WANTED_TOKEN,
        ) from error
    except (ConnectionError, requests.ConnectionError) as error:
        raise BadInput(
            "a cluster that does not answer",
            address,
            "no connection",
            "the dashboard's address; `ray dashboard cluster.yaml` forwards it to this machine",
        ) from error
    except aiohttp.ClientError as error:
        # Only a log that is followed comes this way.
        raise OSError(f"{address}: {error}; the job goes on") from error
    except RuntimeError as error:
        # The job server's other refusals have no type: "Request failed with status code 404: …".
        status = re.search(r"status code (\d+)", str(error))
        if status is None or status[1] != "404":
            raise OSError(f"{address}: {error}") from error
        raise BadInput(
            "a job that does not exist", address, "none of this id", "an id of `vrp jobs`"
        ) from error


def exit_code(details: JobDetails) -> int:
    """Return the exit code of an ended job's command, 1 where it was stopped or never began."""
    if details.status == JobStatus.SUCCEEDED:
        return 0
    return details.driver_exit_code or 1
