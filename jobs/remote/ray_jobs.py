"""Talk to a cluster's job server: its address and token become a client, its answers our errors."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cluster.token import WANTED_TOKEN, read_token
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
ANSWER_S = 10.0
# They tell of packages that are sent, and of connections that are closed as they should be.
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
WANTED_DASHBOARD = (
    "the dashboard of a head, which `ray start --head` prints (http://host:8265, not the 6379 of "
    "the head itself); `ray dashboard cluster.yaml` forwards it to this machine"
)
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
    headers = _headers()
    with answered(address):
        _check_dashboard(address, headers)
        from ray.job_submission import JobSubmissionClient

        for name in _TALKATIVE:  # now: they set their own levels when they are imported
            logging.getLogger(name).setLevel(logging.WARNING)
        return JobSubmissionClient(address, headers=headers)


def ask_once(address: str, submission: str) -> dict[str, Any] | None:
    """Return what the head says of a job, None where it knows none of this id; no Ray is imported.

    Raises BadInput where no dashboard answers, or it refuses this user.
    """
    import requests

    headers = _headers()
    with answered(address):
        _check_dashboard(address, headers)
        url = f"{address.rstrip('/')}/api/jobs/{submission}"
        answer = requests.get(url, headers=headers, timeout=ANSWER_S)
    if answer.status_code == requests.codes.not_found:
        return None
    if answer.status_code != requests.codes.ok:
        had = f"HTTP status {answer.status_code}" + ("" if headers else ", and no token")
        raise BadInput("the cluster refuses this user", address, had, WANTED_TOKEN)
    return answer.json()


def _headers() -> dict[str, str]:
    token = read_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _check_dashboard(address: str, headers: dict[str, str]) -> None:
    """Ask for the version that Ray's dashboard tells; Ray's own client would wait for ever.

    Raises BadInput for a server of another kind.
    """
    import requests

    answer = requests.get(f"{address.rstrip('/')}/api/version", headers=headers, timeout=ANSWER_S)
    if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        return  # Ray's client says what it makes of that
    try:
        found = answer.json()
    except requests.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or "ray_version" not in found:
        kind = answer.headers.get("Content-Type", "no type").partition(";")[0]
        raise BadInput(
            "an address that is no Ray dashboard's",
            address,
            f"HTTP status {answer.status_code}, {len(answer.content)} bytes of {kind}",
            WANTED_DASHBOARD,
        )


@contextmanager
def answered(address: str) -> Iterator[None]:
    """Raise what the job server refuses as BadInput."""
    import requests

    try:
        yield
    except _unauthenticated() as error:
        had = "a token it does not accept" if read_token() else "no token"
        raise BadInput(
            "the cluster refuses this user",
            address,
            had,
            WANTED_TOKEN,
        ) from error
    except (ConnectionError, requests.ConnectionError, requests.Timeout) as error:
        raise BadInput(
            "a cluster that does not answer",
            address,
            "no answer" if isinstance(error, requests.Timeout) else "no connection",
            WANTED_DASHBOARD,
        ) from error
    except requests.RequestException as error:
        raise BadInput(
            "an address that cannot be asked", address, str(error), "http://host:8265"
        ) from error
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
    from ray.job_submission import JobStatus

    if details.status == JobStatus.SUCCEEDED:
        return 0
    return details.driver_exit_code or 1


def _unauthenticated() -> tuple[type[Exception], ...]:
    """Return what Ray's client raises; asked for once something was raised, so Ray stays out."""
    if "ray" not in sys.modules:
        return ()
    from ray.exceptions import AuthenticationError

    return (AuthenticationError,)
