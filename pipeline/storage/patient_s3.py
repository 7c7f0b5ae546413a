"""Turn S3 into storage that may fail: a request is sent until it is answered or its budget spent.

All requests of all our clients pass through here, reading of bodies included, and nobody else
repeats them: botocore and s3fs each have retries of their own, which multiplied to 40 tries, shared
one quota between unrelated requests, and knew nothing of bodies that come short: s3fs filled the
place of a short part with zeros. A conditional PUT whose answer was lost looked like another
writer's object.
"""

import asyncio
import errno
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem
from s3fs.errors import translate_boto_error

from pipeline.monitoring.metrics import STORAGE_ERRORS, STORAGE_RETRIES, record
from pipeline.storage.errors import s3_code, s3_status
from pipeline.storage.stored_file import Version
from schemas.errors import BadStorage

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Budget:
    """What one operation may cost: no try follows the last of `attempts`, or begins too late.

    The pause before try n + 2 is drawn from the upper half of first_pause_s * 2**n, at most
    longest_pause_s: doubling gives the server time, drawing keeps clients from coming all at once.
    """

    attempts: int = 12
    seconds: float = 300.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 20.0

    def pause_s(self, tried: int) -> float:
        """Return the pause after `tried` tries."""
        longest = min(self.first_pause_s * 2 ** (tried - 1), self.longest_pause_s)
        return random.uniform(longest / 2, longest)  # noqa: S311  # spreads load, hides nothing


# Of a server that fails one request in five, one operation in 240 million finds twelve failures in
# a row. The pauses sum to 43 to 85 s: a server that restarts is waited for.
BUDGET = Budget()
# What a single try may wait for: a connection, and the next byte.
CONNECT_S = 5
SILENCE_S = 60
# One request of a download; AWS's performance guide gives 8 to 16 MB for byte-range requests.
_BLOCK_BYTES = 16 * 2**20
# Statuses below 500 that say "later": RFC 9110 15.5.9 and 6585 4, and S3's conflict of two
# conditional writes that are under way at once.
_LATER = frozenset({408, 409, 429})
_LATER_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"})
_NEVER = 501  # not implemented
_NO_MATCH = 412  # a condition that does not hold
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class PatientS3(S3FileSystem):
    """S3 as s3fs offers it, with one budget for each operation and no short reads."""

    async def _call_s3(self, method: str, *defaults: Any, **named: Any) -> Any:
        return await _tried(lambda: self._call_once(method, *defaults, **named))

    call_s3 = sync_wrapper(_call_s3)

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """Split a path into bucket and key; a key may look like a query and is none."""
        before, query, after = path.partition("?versionId=")
        bucket, key, _ = super().split_path(before)
        return bucket, f"{key}{query}{after}", None

    async def _call_once(self, method: str, *defaults: Any, **named: Any) -> Any:
        await self.set_session()
        call = getattr(await self.get_s3(named.get("Bucket")), method)
        try:
            return await call(**self._get_s3_method_kwargs(call, *defaults, **named))
        except ClientError as error:
            raise translate_boto_error(error) from error

    async def _cat_file(
        self,
        path: str,
        version_id: str | None = None,
        start: int | None = None,
        end: int | None = None,
        *_: Any,
        version: Version | None = None,
        **__: Any,
    ) -> bytes:
        bucket, key, in_path = self.split_path(path)
        first = start or 0
        if end is not None and end <= first:
            return b""
        # Always a range, as only its answer names the object's size beside the body's: a body that
        # an intermediary cut and announced as whole shows.
        named = {"Bucket": bucket, "Key": key}
        named["Range"] = f"bytes={first}-{'' if end is None else end - 1}"
        if chosen := version_id or in_path:
            named["VersionId"] = chosen
        # Plain HTTP (RFC 9110, 13.1.1), which AWS, Ceph and MinIO answer with 412 for another one.
        if version and version.etag:
            named["IfMatch"] = version.etag

        async def read() -> bytes:
            answer = await self._call_once("get_object", **named)
            async with answer["Body"] as body:
                data = _asked(await body.read(), answer, first, end)
            if version:
                version.etag = answer.get("ETag")
            return data

        try:
            return await _tried(read)
        except OSError as error:
            if s3_code(error) == "InvalidRange":
                return b""
            if s3_status(error) == _NO_MATCH:
                raise _replaced(path) from error
            raise

    async def _get_file(self, rpath: str, lpath: str, *_: Any, **__: Any) -> None:
        size, version = (await self._info(rpath))["size"], Version()
        with open(lpath, "wb") as file:
            for start in range(0, size, _BLOCK_BYTES):
                end = start + _BLOCK_BYTES
                file.write(await self._cat_file(rpath, start=start, end=end, version=version))

    async def _create(self, path: str, data: bytes) -> bool:
        """Write a file that is not there yet; False if it is there with other bytes."""
        bucket, key, _ = self.split_path(path)
        try:
            await self._call_s3("put_object", Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except OSError as error:
            if s3_status(error) != _NO_MATCH:
                raise
            # Perhaps our own object, of an earlier try whose answer was lost. No count of tries
            # tells: aiohttp sends again by itself on a connection that broke.
            return await self._cat_file(path) == data
        return True

    create = sync_wrapper(_create)


def _replaced(path: str) -> BadStorage:
    return BadStorage(
        "an object that changed while it was read",
        f"s3://{path}",
        "another object than its first bytes are of",
        "one that stays until it is read",
    )


class _ShortBody(OSError):
    """A body that is not the bytes asked for."""


def _asked(data: bytes, answer: Any, first: int, end: int | None) -> bytes:
    """Return the bytes first to end of an answer's body. Raises _ShortBody unless it holds them."""
    span = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
    if not span:
        # A server may ignore the range and send the whole object (RFC 9110, 14.2).
        span_begins, size, data = first, answer["ContentLength"], data[first:end]
    else:
        span_begins, size = int(span[1]), int(span[3])
    wanted = max(0, (size if end is None else min(end, size)) - first)
    if span_begins != first or len(data) != wanted:
        raise _ShortBody(errno.EIO, f"{len(data)} bytes from byte {span_begins}, wanted {wanted}")
    return data


async def _tried(request: Callable[[], Awaitable[Answer]]) -> Answer:
    """Await the request until it is answered; the last error notes how often it was tried."""
    budget, began, tried = BUDGET, time.monotonic(), 0
    while True:
        try:
            return await request()
        except Exception as error:  # what may pass has no common type
            tried += 1
            pause_s = budget.pause_s(tried)
            spent_s = time.monotonic() - began
            if not _may_pass(error):
                raise
            # A server's code, else the kind of error, such as ConnectTimeoutError.
            record(STORAGE_ERRORS, code=str(s3_code(error) or type(error).__name__))
            if tried >= budget.attempts or spent_s + pause_s > budget.seconds:
                error.add_note(f"given up after {tried} tries in {spent_s:.1f} s")
                raise
        record(STORAGE_RETRIES)
        await asyncio.sleep(pause_s)


def _may_pass(error: Exception) -> bool:
    """Whether the same request may be answered later."""
    status = s3_status(error)
    if isinstance(status, int):
        later = status >= 500 and status != _NEVER
        return later or status in _LATER or s3_code(error) in _LATER_CODES
    return isinstance(
        error,
        # ResponseParserError: half a listing is no XML.
        _ShortBody
        | HTTPClientError
        | BotoConnectionError
        | aiohttp.ClientError
        | ConnectionError
        | TimeoutError
        | ResponseParserError,
    )
