"""Nodes that die while a command works become a line each, in words for people."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

LOOK_S = 2.0  # Ray itself takes up to half a minute to give up a silent node
# DeathReason of Ray's NodeDeathInfo: what an autoscaler takes back because nothing ran there.
DRAINED_IDLE = 4


def deaths(before: Mapping[str, bool], nodes: list[dict[str, Any]]) -> list[str]:
    """Return a line for every node that was alive and is not; before: alive, by node id."""
    lines = []
    for node in nodes:
        if node["Alive"] or not before.get(node["NodeID"], False):
            continue
        where = node["NodeManagerAddress"]
        if node.get("DeathReason") == DRAINED_IDLE:
            lines.append(f"a node had nothing to do and left ({where})")
        else:
            lines.append(f"a node died ({where}); what was at work on it is done again elsewhere")
    return lines


@contextmanager
def watch_nodes(console: Console) -> Iterator[None]:
    """Say of each node that dies within the block that it did."""
    import ray

    ended = threading.Event()

    def look() -> None:
        before: dict[str, bool] = {}
        while not ended.wait(LOOK_S) and ray.is_initialized():
            nodes = ray.nodes()
            for line in deaths(before, nodes):
                console.print(line, markup=False)
            before = {node["NodeID"]: node["Alive"] for node in nodes}

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
