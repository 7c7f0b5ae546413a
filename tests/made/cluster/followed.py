"""A submitted job whose server is a stand-in: what is followed, cancelled and asked for its end."""

from typing import cast

from ray.job_submission import JobSubmissionClient

from jobs.remote.follow import Followed
from schemas.job.storage import Storage


def followed(client: object, submission: str, output: object) -> Followed:
    """Return a labeling job at a stand-in for Ray's client, with its results in a folder."""
    stand_in = cast("JobSubmissionClient", client)
    return Followed(stand_in, submission, "http://head:8265", "label", str(output), Storage())
