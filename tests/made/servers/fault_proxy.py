"""A proxy of ours between an S3 client and its server that makes storage fail on purpose.

Faults are drawn per request from a seed, so that a run can be repeated:

slowdown      503 SlowDown, the server never sees the request
error         500 InternalError, likewise
reset-before  the connection is reset before the server sees the request
reset-after   the server acts, then the connection is reset: the client cannot know
slow          the answer's first byte comes late
truncated     the answer's body ends half way through its announced length
short         half of the answer's body is announced and sent as if it were all
"""

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, get_args
from urllib.parse import urlsplit

Fault = Literal["slowdown", "error", "reset-before", "reset-after", "slow", "truncated", "short"]
Moment = Literal["before", "after"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
SLOW_S = 1.0
HOP_HEADERS = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Faults:
    """Which faults to make at which share of the requests, and what was made.

    watch is told method, path and body of every request, before the server acts and after.
    """

    rates: Mapping[Fault, float]
    seed: int
    watch: Callable[[str, str, bytes, Moment], None] = lambda *_: None
    made: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # which fault comes is no secret

    def draw(self, method: str) -> Fault | None:
        """Return the fault of the next request, None for none."""
        with self._lock:
            self.requests[method] += 1
            number = self._random.random()
            for fault, rate in self.rates.items():
                if number < rate:
                    self.made[fault] += 1
                    return fault
                number -= rate
        return None


@contextmanager
def faulty(upstream: str, faults: Faults) -> Iterator[str]:
    """Serve `upstream` (http://host:port) with faults until the block ends; yield the address."""
    target = urlsplit(upstream)

    class Handler(_Handler):
        address = (target.hostname or "127.0.0.1", target.port or 80)
        plan = faults

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    address: tuple[str, int]
    plan: Faults

    def _serve(self) -> None:
        body = self._body()
        fault = self.plan.draw(self.command)
        if fault == "reset-before":
            return self._reset()
        if fault == "slowdown":
            return self._refuse(503, "SlowDown")
        if fault == "error":
            return self._refuse(500, "InternalError")
        self.plan.watch(self.command, self.path, body, "before")
        status, headers, answer = self._forward(body)
        self.plan.watch(self.command, self.path, body, "after")
        if fault == "reset-after":
            return self._reset()
        if fault == "slow":
            time.sleep(SLOW_S)
        if fault == "short" and self.command != "HEAD":
            answer = answer[: len(answer) // 2]
        return self._answer(status, headers, answer, truncated=fault == "truncated")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            skipped = HOP_HEADERS | {"expect"}
            headers = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
            if body or self.command in {"PUT", "POST"}:
                headers["Content-Length"] = str(len(body))
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, truncated: bool
    ) -> None:
        announced = dict(headers).get("Content-Length", str(len(body)))
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", announced if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if truncated and body:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._reset()
            return
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>made on purpose</Message></Error>".encode()
        self._answer(status, [("Content-Type", "application/xml")], body, truncated=False)

    def _reset(self) -> None:
        # SO_LINGER of zero seconds: close() sends RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Keep the test output quiet."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):
            # The reset above, or the client's: ValueError is a write to the closed connection.
            self.close_connection = True

    def finish(self) -> None:
        with suppress(ConnectionError, ValueError):
            super().finish()
