"""A cluster of real Ray nodes, and the processes that can be killed in it."""

import signal

from ray._private.node import Node
from ray.cluster_utils import Cluster

from tests.made.cluster.processes import children, send, title

# A node that answers nothing for so long is dead to Ray; its default is half a minute.
HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 3000,
    "health_check_failure_threshold": 3,
}


class Nodes:
    """A cluster whose head runs nothing, and two nodes with room for one actor and readers each."""

    def __init__(self) -> None:
        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "gcs_server_port": 0,
            "_system_config": HEALTH,
        }
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        assert self.cluster.address is not None
        self.address: str = self.cluster.address
        self.nodes = [self._add(), self._add()]

    def _add(self) -> Node:
        return self.cluster.add_node(num_cpus=2)

    def replace(self, node: Node) -> None:
        """Kill a node's processes at once, and let another one join."""
        workers = children(raylet(node))
        self.cluster.remove_node(node, allow_graceful=False)
        for pid in workers:
            send(pid, signal.SIGKILL)
        self.nodes[self.nodes.index(node)] = self._add()

    def workers(self, named: str) -> list[tuple[Node, int]]:
        """Return the worker processes whose title holds a text."""
        return [(node, pid) for node in self.nodes for pid in workers_of(node, named)]


def workers_of(node: Node, named: str) -> list[int]:
    """Return a node's worker processes whose title holds a text."""
    return [pid for pid in children(raylet(node)) if named in title(pid)]


def raylet(node: Node) -> int:
    """Return the process of a node that starts its workers."""
    return node.all_processes["raylet"][0].process.pid
