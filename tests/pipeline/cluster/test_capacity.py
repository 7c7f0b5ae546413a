"""Whether a job runs, waits for nodes, or is refused."""

import pytest

from pipeline.cluster.capacity import Capacity, parse_most
from schemas.errors import BadInput
from schemas.job.compute import Compute

NEED = {"CPU": 2.25, "GPU": 2.0}


def test_what_is_there_is_not_waited_for() -> None:
    assert Capacity({"CPU": 4, "GPU": 2}, {}).waits_for(NEED, "compute") == []


def test_what_the_cluster_may_grow_to_is_waited_for() -> None:
    assert Capacity({"CPU": 4}, {"CPU": 8, "GPU": 2}).waits_for(NEED, "compute") == ["GPU"]


@pytest.mark.parametrize("most", [{}, {"CPU": 64}, {"CPU": 64, "GPU": 1}])
def test_what_never_comes_is_refused(most: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=r"too few GPUs(.|\n)*VRP_CLUSTER_MAX"):
        Capacity({"CPU": 4}, most).waits_for(NEED, "compute")


def test_auto_takes_a_gpu_where_there_can_be_one() -> None:
    assert Capacity({"CPU": 4}, {}).gpus("auto") == 0
    assert Capacity({"CPU": 4, "GPU": 1}, {}).gpus("auto") == 1
    assert Capacity({"CPU": 4}, {"GPU": 8}).gpus("auto") == 1
    assert Capacity({"CPU": 4}, {"GPU": 8}).gpus(0.5) == 0.5


def test_a_pool_without_a_maximum_grows_to_the_gpus_of_the_cluster() -> None:
    def most(capacity: Capacity, gpus: float, **actors: int) -> int:
        return capacity.most_actors(Compute.model_validate({"actors": actors}), gpus)

    eight = Capacity({"CPU": 64, "GPU": 2}, {"GPU": 8})
    assert most(eight, 1) == 8
    assert most(eight, 0.5) == 16
    assert most(eight, 1, max=3) == 3
    assert most(Capacity({"CPU": 64}, {}), 0) == 1
    assert most(Capacity({"CPU": 64}, {}), 0, min=4) == 4


def test_the_greatest_size_is_read_or_refused() -> None:
    assert parse_most("") == {}
    assert parse_most("CPU=64, GPU=16") == {"CPU": 64, "GPU": 16}
    with pytest.raises(BadInput, match="VRP_CLUSTER_MAX"):
        parse_most("GPU:16")
