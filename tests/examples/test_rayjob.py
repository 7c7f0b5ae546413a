"""examples/rayjob.yaml, held to the fields of KubeRay's RayJob that it uses."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from jobs.remote.persist import read_arguments
from pipeline.cluster.capacity import parse_most

ROOT = Path(__file__).parents[2]
RAYJOB: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "rayjob.yaml").read_text())


class Strict(BaseModel):
    """Only the fields that we use, of KubeRay's RayJob v1 (its CRD of 2026-08-19)."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Env(Strict):
    """A pod's environment variable."""

    name: str
    value: str


class Container(Strict):
    """What of a pod's container we set."""

    name: str
    image: str
    env: list[Env]
    resources: dict[Literal["limits", "requests"], dict[str, str]]
    volumeMounts: list[dict[str, str]] = []

    def ray_resources(self) -> dict[str, float]:
        """Return what KubeRay tells Ray of the container: its limits."""
        limits = self.resources["limits"]
        gpus = limits.get("nvidia.com/gpu")
        return {"CPU": float(limits["cpu"])} | ({"GPU": float(gpus)} if gpus else {})


class PodSpec(Strict):
    """What of a pod we set."""

    serviceAccountName: str
    containers: Annotated[list[Container], Field(min_length=1)]
    terminationGracePeriodSeconds: int = 30
    tolerations: list[dict[str, str]] = []
    volumes: list[dict[str, Any]] = []


class Template(Strict):
    """A pod's template."""

    spec: PodSpec


class Group(Strict):
    """The head's group."""

    rayStartParams: dict[str, str]
    template: Template

    @property
    def containers(self) -> list[Container]:
        return self.template.spec.containers


class WorkerGroup(Group):
    """A group of workers."""

    groupName: str
    replicas: int
    minReplicas: int
    maxReplicas: int


class AuthOptions(Strict):
    """Token authentication."""

    mode: Literal["disabled", "token"]


class AutoscalerOptions(Strict):
    """The autoscaler's."""

    version: Literal["v1", "v2"]
    idleTimeoutSeconds: int


class RayCluster(Strict):
    """The cluster of a job."""

    rayVersion: str
    enableInTreeAutoscaling: bool
    authOptions: AuthOptions
    autoscalerOptions: AutoscalerOptions
    headGroupSpec: Group
    workerGroupSpecs: list[WorkerGroup]


class RayJobSpec(Strict):
    """A job and its cluster."""

    entrypoint: str
    backoffLimit: int
    shutdownAfterJobFinishes: bool
    ttlSecondsAfterFinished: int
    rayClusterSpec: RayCluster


class RayJob(Strict):
    """The whole document."""

    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: dict[str, str]
    spec: RayJobSpec


def test_the_kubernetes_job_has_kuberays_fields_and_the_locks_ray() -> None:
    job = RayJob.model_validate(RAYJOB)
    cluster = job.spec.rayClusterSpec
    assert f"ray=={cluster.rayVersion} " in (ROOT / "requirements.lock").read_text()
    assert cluster.authOptions.mode == "token"
    assert all(group.minReplicas == group.replicas == 0 for group in cluster.workerGroupSpecs)
    volumes = {volume["name"] for volume in cluster.headGroupSpec.template.spec.volumes}
    assert {mount["name"] for mount in cluster.headGroupSpec.containers[0].volumeMounts} == volumes


def test_the_kubernetes_cluster_says_how_far_it_grows() -> None:
    cluster = RayJob.model_validate(RAYJOB).spec.rayClusterSpec
    (env,) = [e for e in cluster.headGroupSpec.containers[0].env if e.name == "VRP_CLUSTER_MAX"]
    groups = [(g.containers[0].ray_resources(), g.maxReplicas) for g in cluster.workerGroupSpecs]
    assert parse_most(env.value) == {
        name: sum(resources.get(name, 0) * count for resources, count in groups)
        for name in ("CPU", "GPU")
    }


def test_the_kubernetes_job_begins_a_labeling_under_its_own_name() -> None:
    job = RayJob.model_validate(RAYJOB)
    python, module, name, *arguments = shlex.split(job.spec.entrypoint)
    assert [python, module, name] == ["python", "-m", "jobs.remote.persist"]
    run, tries, command = read_arguments(arguments)
    assert (run, tries) == (job.metadata["name"], 3)
    head = job.spec.rayClusterSpec.headGroupSpec
    assert command == ["label", f"{head.containers[0].volumeMounts[0]['mountPath']}/cats.yaml"]
