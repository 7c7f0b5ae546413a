"""Talk to a cluster's job server: its address and token become a client, its answers our errors."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.token import WANTED_TOKEN, read_token
from schemas.errors import BadInput

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS",
        help="Of the cluster's dashboard, e.g. what `ray dashboard cluster.yaml` forwards.",
    ),
]
ANSWER_S = 60.0  # as Ray's own client waits
LOCAL_DASHBOARD = "http://127.0.0.1:8265"
SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="As `vrp jobs` prints it.")]


def open_client(address: str) -> JobSubmissionClient:
    """Connect to the job server at http(s)://host:port, with this user's Ray token if there is one.

    Raises BadInput: no such server, or one that refuses the token.
    """
    from ray.job_submission import JobSubmissionClient

    headers = _headers(address)
    # Ray lets RAY_ADDRESS, which may name another cluster, win over the address it is given; only
    # this variable wins over that.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    with answered(address):
        return JobSubmissionClient(address, headers=headers)


def list_jobs(address: str) -> list[dict[str, Any]]:
    """Return the cluster's jobs as its server describes them. Raises BadInput as `open_client`.

    Ray's own client does the same and takes seconds to import.
    """
    from http import HTTPStatus
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    url = f"{address.rstrip('/')}/api/jobs/"
    request = Request(url, headers=_headers(address))  # noqa: S310 - http(s), checked
    try:
        with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise _refused(address) from error
        raise OSError(f"{address}: {error}") from error
    except URLError as error:
        raise _unanswered(address) from error


def _headers(address: str) -> dict[str, str]:
    if not address.startswith(("http://", "https://")):
        raise BadInput("an address that is no URL", "--address", address, "http://host:8265")
    token = read_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def answered(address: str) -> Iterator[None]:
    """Raise what the job server refuses as BadInput."""
    import aiohttp
    import requests
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        raise _refused(address) from error
    except (ConnectionError, requests.ConnectionError) as error:
        raise _unanswered(address) from error
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


def _refused(address: str) -> BadInput:
    had = "a token it does not accept" if read_token() else "no token"
    return BadInput("the cluster refuses this user", address, had, WANTED_TOKEN)


def _unanswered(address: str) -> BadInput:
    return BadInput(
        "a cluster that does not answer",
        address,
        "no connection",
        "the dashboard's address; `ray dashboard cluster.yaml` forwards it to this machine",
    )


def exit_code(details: JobDetails) -> int:
    """Return the exit code of an ended job's command, 1 where it was stopped or never began."""
    if details.status == "SUCCEEDED":
        return 0
    return details.driver_exit_code or 1
