"""cluster.yaml, held to what reads it: Ray's schema, Ray's autoscaler, EC2's API."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.session import Session
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

from pipeline.cluster.capacity import parse_most

ROOT = Path(__file__).parents[1]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
NODE_TYPES = CONFIG["available_node_types"]


def prepared() -> dict[str, Any]:
    """Return the configuration with Ray's defaults filled in, as `ray up` does."""
    config = prepare_config(json.loads(json.dumps(CONFIG)))
    validate_config(config)
    return config


def launched(demand: list[dict[str, float]], **availability: float) -> dict[str, int]:
    """Return the nodes that Ray's autoscaler starts for a demand, from none."""
    config = AutoscalingConfig(prepared(), skip_content_hash=True)
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=config.get_node_type_configs(),
        max_num_nodes=config.get_max_num_nodes(),
        resource_requests=ResourceRequestUtil.group_by_count(
            [ResourceRequestUtil.make(resources) for resources in demand]
        ),
        recoverable_resource_availabilities={
            name.replace("_", "-"): score for name, score in availability.items()
        },
    )
    reply = ResourceDemandScheduler(event_logger=None).schedule(request)
    return {launch.instance_type: launch.count for launch in reply.to_launch}


def test_ray_accepts_the_cluster_and_nothing_runs_in_it_but_the_head() -> None:
    workers = {name: node for name, node in NODE_TYPES.items() if name != CONFIG["head_node_type"]}
    assert all(node["min_workers"] == 0 for node in workers.values())
    assert sum(node["max_workers"] for node in workers.values()) == prepared()["max_workers"]


@pytest.mark.parametrize("name", NODE_TYPES)
def test_ec2_accepts_every_machine(name: str) -> None:
    # botocore's lazy properties have no type.
    shape: Any = Session().get_service_model("ec2").operation_model("RunInstances").input_shape
    asked = {**NODE_TYPES[name]["node_config"], "MinCount": 1, "MaxCount": 1}
    report = ParamValidator().validate(asked, shape)
    assert not report.has_errors(), report.generate_report()
    unknown = asked.keys() - shape.members.keys()
    assert not unknown


def test_gpu_work_starts_spot_machines_and_on_demand_ones_where_there_are_none() -> None:
    actors = [{"CPU": 1.0, "GPU": 1.0}] * 3
    assert launched(actors) == {"gpu-spot": 3}
    assert launched(actors[:2], gpu_spot=0.0) == {"gpu-on-demand": 2}
    assert launched([{"CPU": 0.25}] * 4) == {"read-pool": 1}
    assert launched([]) == {}


def test_the_cluster_says_how_far_it_grows() -> None:
    start = " ".join(CONFIG["head_start_ray_commands"])
    said = re.search(r"VRP_CLUSTER_MAX=(\S+?);", start)
    assert said
    assert parse_most(said[1]) == {
        name: sum(
            n["resources"].get(name, 0) * n.get("max_workers", 1) for n in NODE_TYPES.values()
        )
        for name in ("CPU", "GPU")
    }


def test_every_node_has_the_lock_the_token_and_its_mode() -> None:
    assert set(CONFIG["file_mounts"].values()) == {"./requirements.lock", "~/.ray/auth_token"}
    for commands in (CONFIG["head_start_ray_commands"], CONFIG["worker_start_ray_commands"]):
        started = " ".join(commands)
        assert "RAY_AUTH_MODE=token" in started
        assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in started
    assert any("--require-hashes -r ~/requirements.lock" in c for c in CONFIG["setup_commands"])


def test_no_secret_stands_in_a_file_and_rights_are_named_one_by_one() -> None:
    text = (ROOT / "cluster.yaml").read_text()
    assert not re.search(r"AKIA|secret_?(access_?)?key|password", text, re.IGNORECASE)
    for path in sorted((ROOT / "examples" / "aws").glob("*-policy.json")):
        for statement in json.loads(path.read_text())["Statement"]:
            assert not any("*" in action for action in statement["Action"]), path
