"""Turn the exceptions of fsspec, s3fs and botocore into ours.

No message holds a credential: they are made of the URI, the endpoint without its user part, and
the server's error code.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import BadStorage, MissingFile, UnreadableFile

# A URL may carry a user and a password, which no message may.
_USER_PART = re.compile(r"://[^/@\s]*@")
# Answers that speak of credentials, as ExpiredToken does, and are no PermissionError of s3fs.
_OF_CREDENTIALS = {"InvalidToken", "RequestExpired", "TokenRefreshRequired"}
_ARCHIVED = "InvalidObjectState"  # S3's answer for an object that must be restored to be read


def uri_of(fs: AbstractFileSystem, path: str) -> str:
    """Return the URI of a path: as written for a local file, scheme://path for the rest."""
    if isinstance(fs, LocalFileSystem):
        return path
    return str(fs.unstrip_protocol(path))


@contextmanager
def translated(fs: AbstractFileSystem, path: str, verb: str) -> Iterator[None]:
    """Raise what a user can mend as BadStorage; let the rest of the OSErrors pass.

    `verb` completes "storage that may not be …": read, listed, written, deleted.
    """
    uri = uri_of(fs, path)
    try:
        yield
    except FileNotFoundError as error:
        if s3_code(error) == "NoSuchBucket":
            bucket = path.partition("/")[0]
            raise BadStorage(
                "a bucket that does not exist", uri, f"no bucket {bucket}", "an existing bucket"
            ) from error
        raise MissingFile("a file that does not exist", uri, "nothing there", "a file") from error
    except PermissionError as error:
        raise _refused(fs, uri, verb, error) from error
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise BadStorage(
            f"a path that cannot be {verb}", uri, str(error.strerror), "a file below folders"
        ) from error
    except _foreign().no_credentials as error:
        raise BadStorage(
            "storage without credentials",
            uri,
            "no AWS credentials found",
            "the AWS variables, or key and secret (or anonymous: true) in the storage section",
        ) from error
    except _foreign().no_answer as error:
        endpoint = endpoint_of(getattr(fs, "client_kwargs", {}).get("endpoint_url"))
        got = _with_notes(type(error).__name__, error)
        raise unanswered(f"{uri} at {endpoint or 'AWS'}", got) from error
    except _foreign().other as error:
        # Names that AWS does not allow, unknown profiles and regions: the message says which.
        raise BadStorage(
            f"storage that cannot be {verb}",
            uri,
            _USER_PART.sub("://", str(error)),
            "a valid bucket, region and profile",
        ) from error
    except _foreign().no_xml as error:
        got = _with_notes("an answer that is no XML", error)
        raise OSError(errno.EIO, f"{uri} could not be {verb}: {got}") from error
    except OSError as error:
        raise _what_is_left(fs, uri, verb, error) from error


def _what_is_left(fs: AbstractFileSystem, uri: str, verb: str, error: OSError) -> Exception:
    """Return what is left: wrong credentials, or trouble that all retries did not mend."""
    if s3_code(error) in _OF_CREDENTIALS:
        return _refused(fs, uri, verb, error)
    got = _with_notes(str(s3_code(error) or error.strerror or error), error)
    return OSError(error.errno, f"{uri} could not be {verb}: {got}")


def _refused(fs: AbstractFileSystem, uri: str, verb: str, error: OSError) -> BadStorage:
    """Return the error of a refusal: of one file where that is sure, else of the storage."""
    what, code = f"storage that may not be {verb}", s3_code(error)
    if code == _ARCHIVED:
        return UnreadableFile(what, uri, f"{code}: archived (Glacier)", "an object restored first")
    got = str(code or error.strerror or "permission denied")
    # On S3 nothing tells one object's policy from credentials that may read none.
    of_file = verb == "read" and isinstance(fs, LocalFileSystem)
    kind = UnreadableFile if of_file else BadStorage
    return kind(what, uri, got, "credentials and permissions that allow it")


class _Foreign(NamedTuple):
    """What a request to S3 raises besides OSErrors, by what becomes of it."""

    no_credentials: type[Exception]
    no_answer: tuple[type[Exception], ...]
    other: type[Exception]
    no_xml: type[Exception]


@cache
def _foreign() -> _Foreign:
    # Asked for once something was raised that is no plain error of a file: local storage never
    # waits for these imports.
    import aiohttp  # noqa: PLC0415
    from botocore import exceptions  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    return _Foreign(
        exceptions.NoCredentialsError,
        (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            aiohttp.ClientError,
            TimeoutError,
        ),
        exceptions.BotoCoreError,
        ResponseParserError,
    )


def _with_notes(got: str, error: BaseException) -> str:
    """Add what the retries noted, such as "given up after 12 tries in 84.2 s"."""
    return ", ".join([got, *getattr(error, "__notes__", ())])


def unanswered(where: str, got: str) -> BadStorage:
    """Return the error of an endpoint that nobody answers at."""
    return BadStorage(
        "an endpoint that does not answer",
        where,
        got,
        "a reachable endpoint: check endpoint_url or AWS_ENDPOINT_URL, and the network",
    )


def endpoint_of(configured: str | None) -> str:
    """Return the endpoint in use as a URL without user and password; "" if none is set: AWS."""
    url = configured or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return _USER_PART.sub("://", url) if url else ""


def _s3_error(error: BaseException) -> dict[str, dict[str, object]]:
    # s3fs raises a built-in error from botocore's ClientError, which holds the server's answer.
    return getattr(error.__cause__, "response", None) or {}


def s3_code(error: BaseException) -> object:
    return _s3_error(error).get("Error", {}).get("Code")


def s3_status(error: BaseException) -> object:
    return _s3_error(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
