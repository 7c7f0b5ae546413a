"""Serve a few files over HTTP for the tests, and note what was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What a path gives: its body in two halves, with a wait between them if there is `hold`."""

    body: bytes = b""
    status: int = 200
    promised_bytes: int | None = None
    hold: threading.Event | None = None


@dataclass
class Site:
    """A web server: answers by path, and the downloads so far."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)

    def put(self, name: str, answer: bytes | Answer) -> str:
        """Answer at a path from now on; return its address."""
        self.answers[f"/{name}"] = answer if isinstance(answer, Answer) else Answer(answer)
        return f"{self.address}/{name}"


@contextmanager
def serve_handler(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a web server on a free loopback port until the block ends; give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve_web() -> Iterator[Site]:
    """Run a web server on a free loopback port until the block ends."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            path = urlsplit(self.path).path
            answer = site.answers.get(path, Answer(status=404))
            promised = answer.promised_bytes or len(answer.body)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            if self.command == "GET":
                site.downloads.append(path)
                half = len(answer.body) // 2
                self.wfile.write(answer.body[:half])
                if answer.hold:
                    answer.hold.wait(30)
                with suppress(ConnectionError):  # the client may have been killed meanwhile
                    self.wfile.write(answer.body[half:])
                self.close_connection = True

        do_GET = do_HEAD

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Keep the test output quiet."""

    with serve_handler(Handler) as site.address:
        yield site
