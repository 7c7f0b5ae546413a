"""Count the requests that reach an S3 server, by what they do, in a process of its own."""

import multiprocessing
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.made.servers.fault_proxy import Faults, Moment, faulty


@contextmanager
def counted(endpoint: str) -> Iterator[tuple[str, Callable[[], Counter[str]]]]:
    """Yield the address to use instead of `endpoint`, and what counts the requests so far."""
    ours, theirs = multiprocessing.Pipe()
    # spawn: a fork of a process with Ray's threads may never run.
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(endpoint, theirs))
    process.start()
    try:
        address = ours.recv()

        def counts() -> Counter[str]:
            ours.send("counts")
            return ours.recv()

        yield address, counts
    finally:
        ours.send("stop")
        process.join()


def _serve(endpoint: str, pipe: Connection) -> None:
    seen: Counter[str] = Counter()

    def watch(method: str, path: str, body: bytes, moment: Moment) -> None:
        del body
        if moment == "before":
            seen[_kind(method, path)] += 1

    with faulty(endpoint, Faults({}, 0, watch)) as address:
        pipe.send(address)
        while pipe.recv() != "stop":
            pipe.send(seen)


def _kind(method: str, path: str) -> str:
    """Return e.g. `PUT labels`: the method and the object's folder below the output."""
    key, _, query = path.partition("?")
    if "list-type" in query:
        return "LIST"
    below = re.search(r"/out/([a-z]+)", key)
    return f"{method} {below[1] if below else 'inputs'}"
