"""Why a run ended, in one line: what the worker raised, wherever Ray puts it."""

import pytest
from ray.exceptions import ActorDiedError, RayError, RayTaskError, UserCodeException

from jobs.cluster.reason import reason_of
from jobs.cluster.run_record import how_ended
from schemas.errors import BadStorage

FRAMES = '  File "pipeline/storage/files.py", line 189, in create_once\n    with translated():\n'
CHAIN = "\nThe above exception was the direct cause of the following exception:\n\n"
REFUSED = "OSError: [Errno 5] s3://b/labels/1.parquet could not be written: KMS.DisabledException"
WRAPPED = (
    "ray.exceptions.UserCodeException: UDF failed to process a data block.\n"
    "Failed to apply UDF transform after 1/1 attempts (total backoff 0.0s).\n"
    "To change retry attempts, backoff, or which errors are retried, configure `ray.data`."
)


def of_task(raised: str, cause: Exception) -> RayTaskError:
    """Return what Ray raises here for what a task raised there."""
    header = "Traceback (most recent call last):\n"
    trace = f"{header}{FRAMES}OSError: an answer\n{CHAIN}{header}{FRAMES}{raised}"
    return RayTaskError("MapWorker", trace, cause, "ray::MapWorker", 7, "10.0.0.7")


def test_a_failed_worker_is_told_with_what_it_raised_and_not_with_rays_advice() -> None:
    text = f"{REFUSED}\n{CHAIN}ray::MapWorker()\n{WRAPPED}"
    error = of_task(text, UserCodeException("UDF failed")).as_instanceof_cause()
    assert str(error).endswith("configure `ray.data`.")
    assert reason_of(error) == REFUSED
    assert how_ended(error) == ("failed", REFUSED)


def test_an_error_of_ours_is_told_with_where_got_and_wanted() -> None:
    changed = BadStorage("a shard that changed", "s3://b/1.tar", "5 bytes", "7 bytes")
    told = "BadStorage: a shard that changed, where: s3://b/1.tar, got: 5 bytes"
    text = f"schemas.errors.BadStorage: {changed}\n{CHAIN}ray::MapWorker()\n{WRAPPED}"
    wrapped = of_task(text, UserCodeException("UDF failed"))
    assert reason_of(wrapped) == f"{told}, wanted: 7 bytes"
    assert reason_of(of_task("whatever", changed)) == f"{told}, wanted: 7 bytes"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ActorDiedError(of_task("FileNotFoundError: no weights", KeyError())), "no weights"),
        (RayError("killed\n\tclass_name: A\nthe node died"), "RayError: the node died"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (RuntimeError(""), "RuntimeError: "),
    ],
)
def test_other_ends_are_told_with_their_own_words(error: Exception, told: str) -> None:
    assert reason_of(error).endswith(told)
