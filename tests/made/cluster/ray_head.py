"""Start a Ray head as the cluster launcher does, with a dashboard, a token and an autoscaler.

Its machines are cluster.yaml's, by number and resources, and are processes here: Ray's own fake
provider starts them.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.fake_multi_node import node_provider

from tests.made.servers.s3 import free_port

START_S = 120  # 8 s on an idle machine


@dataclass(frozen=True)
class Head:
    """A running head: its dashboard's address and its own, the token, and Ray's folder of logs."""

    address: str
    gcs: str
    token: str
    folder: Path

    def nodes(self) -> list[dict[str, float]]:
        """Return the resources of every node that lives."""
        with urllib.request.urlopen(_request(self, "/api/v0/nodes"), timeout=30) as answer:  # noqa: S310 - our own http URL
            found = json.load(answer)["data"]["result"]["result"]
        return [node["resources_total"] for node in found if node["state"] == "ALIVE"]


def cluster_config() -> dict[str, Any]:
    """Return what stands in cluster.yaml."""
    return yaml.safe_load((Path(__file__).parents[3] / "cluster.yaml").read_text())


def _as_processes(config: dict[str, Any], gcs_address: str) -> dict[str, Any]:
    """Return the same cluster, of processes on this machine."""
    provider = {
        # Not "fake_multinode": its file of defaults is missing from Ray's wheel.
        "type": "external",
        "module": f"{node_provider.__name__}.{node_provider.FakeMultiNodeProvider.__name__}",
        "gcs_address": gcs_address,
        "head_node_id": node_provider.FAKE_HEAD_NODE_ID,
        "launch_multiple": True,
        "disable_node_updaters": True,
    }
    types = {
        name: {**node, "node_config": {}} for name, node in config["available_node_types"].items()
    }
    head = node_provider.FAKE_HEAD_NODE_TYPE  # the fake provider knows it by this name only
    types[head] = types.pop(config["head_node_type"]) | {"max_workers": 0}
    names = ("cluster_name", "max_workers", "idle_timeout_minutes", "upscaling_speed")
    commands = [
        "initialization_commands",
        *(f"{whose}setup_commands" for whose in ("", "head_", "worker_")),
        *(f"{whose}_start_ray_commands" for whose in ("head", "worker")),
    ]
    return {
        **{name: [] for name in commands},
        "cluster_synced_files": [],
        **{name: config[name] for name in names},
        "provider": provider,
        "available_node_types": types,
        "head_node_type": head,
    }


@contextmanager
def serve_head() -> Iterator[Head]:
    """Run a head without cores of its own, on free ports, until the block ends."""
    # Its sockets lie 62 bytes below, and Linux takes 107: a test's own folder is too deep.
    with tempfile.TemporaryDirectory(prefix="vrp-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield from _serve(Path(name))


def _serve(folder: Path) -> Iterator[Head]:
    token = secrets.token_hex(32)
    dashboard, port = free_port(), free_port()
    config = cluster_config()
    (folder / "autoscaling.json").write_text(json.dumps(_as_processes(config, f"127.0.0.1:{port}")))
    most = next(c for c in config["head_start_ray_commands"] if "VRP_CLUSTER_MAX" in c)
    command = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block",
        "--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "0",
        "--temp-dir", str(folder), "--autoscaling-config", str(folder / "autoscaling.json"),
        "--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard),
        "--dashboard-agent-listen-port", str(free_port()),
        "--ray-client-server-port", str(free_port()), "--disable-usage-stats",
    ]  # fmt: skip
    environment = {
        **{key: text for key, text in os.environ.items() if not key.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_FAKE_CLUSTER": "1",
        "RAY_worker_niceness": "0",  # beside other work they would hardly run
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": node_provider.FAKE_HEAD_NODE_ID,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_provider.FAKE_HEAD_NODE_ID,
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "VRP_CLUSTER_MAX": most.partition("VRP_CLUSTER_MAX=")[2].partition(";")[0],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (folder / "start.log").open("wb") as log:
        head = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            found = Head(f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{port}", token, folder)
            _wait_until_ready(found, head)
            yield found
        finally:
            # SIGTERM would do, but Ray then waits half a minute for processes that ignore it.
            os.killpg(head.pid, signal.SIGKILL)
            head.wait(timeout=60)


def _wait_until_ready(found: Head, head: subprocess.Popen[bytes]) -> None:
    request = _request(found, "/api/jobs/")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if head.poll() is not None:
            raise RuntimeError((found.folder / "start.log").read_text())
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - our own http URL
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError((found.folder / "start.log").read_text())


def _request(head: Head, path: str) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {head.token}"}
    return urllib.request.Request(f"{head.address}{path}", headers=headers)  # noqa: S310 - our own http URL
