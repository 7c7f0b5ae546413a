"""What happens to nodes and workers, in one line each that needs no knowledge of Ray."""

import io

from rich.console import Console

from jobs.cluster.node_events import DRAINED_IDLE, deaths
from jobs.train import FoldLines
from schemas.job.train import TrainProgress


def test_a_node_that_dies_is_told_once_and_one_that_idled_is_no_death() -> None:
    nodes = [
        {"NodeID": "a", "Alive": False, "NodeManagerAddress": "10.0.0.7", "DeathReason": 2},
        {"NodeID": "b", "Alive": True, "NodeManagerAddress": "10.0.0.8", "DeathReason": 0},
        {
            "NodeID": "c",
            "Alive": False,
            "NodeManagerAddress": "10.0.0.9",
            "DeathReason": DRAINED_IDLE,
        },
    ]
    died, left = deaths({"a": True, "b": True, "c": True}, nodes)
    assert died == "a node died (10.0.0.7); what was at work on it is done again elsewhere"
    assert "10.0.0.9" in left
    assert "died" not in left
    assert deaths({"a": False, "b": True, "c": False}, nodes) == []
    assert deaths({}, nodes) == []  # dead before this job began


def progress(step: int, begun_at: int, begun: float) -> TrainProgress:
    return TrainProgress(
        fold=0, step=step, steps=80, loss=1.0, learning_rate=0.1, episodes_per_s=2.0, eta_s=1.0,
        workers=2, begun_at=begun_at, begun=begun,
    )  # fmt: skip


def test_a_training_says_where_it_goes_on_after_a_worker_died() -> None:
    out = io.StringIO()
    lines = FoldLines(Console(file=out, width=200))
    lines.show(progress(step=30, begun_at=20, begun=1.0))
    lines.show(progress(step=50, begun_at=20, begun=1.0))
    lines.show(progress(step=50, begun_at=40, begun=2.0))
    events = [line for line in out.getvalue().splitlines() if "going on" in line]
    assert events == [
        "fold 0: going on: 20 of 80 steps already done",
        "fold 0: a worker died; going on from step 40",
    ]
