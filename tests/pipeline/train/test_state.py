"""A training run's state: whole or nothing, and bit for bit."""

from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from model.networks.vrp_encoder import VrpEncoder
from pipeline.storage.errors import unanswered
from pipeline.storage.place import Place
from pipeline.train.checkpoints import (
    begin_run,
    find_checkpoints,
    newest_checkpoint,
    read_checkpoint,
)
from pipeline.train.metrics import read_metrics, write_metrics
from pipeline.train.schedule import Schedule, whole_batches
from pipeline.train.state import Best, encoder_tensors, load_state, save_state
from schemas.errors import BadStorage
from schemas.job.method import VrpReading
from schemas.job.storage import Storage
from schemas.job.train import TrainState


def an_encoder(seed: int) -> tuple[VrpEncoder, AdamW]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = VrpEncoder(8, 16, 2, VrpReading())
    optimizer = AdamW(encoder.parameters(), lr=0.1)
    for parameter in encoder.parameters():
        parameter.grad = torch.ones_like(parameter) * 0.3
    optimizer.step()
    return encoder, optimizer


def save(folder: Path, step: int, seed: int = 0) -> None:
    encoder, optimizer = an_encoder(seed)
    folder.mkdir(parents=True)
    state = TrainState(
        fold=0,
        step=step,
        next_episode=(0, 8 * step),
        learning_rate=0.1,
        best_step=step,
        best_miou=0.25,
        sha256={},
    )
    save_state(folder, encoder, optimizer, Best(step, 0.25, encoder_tensors(encoder)), state)


def test_the_next_step_after_a_reload_is_the_same_to_the_last_bit(tmp_path: Path):
    save(tmp_path / "a", step=3, seed=1)
    folder = Place.open(str(tmp_path / "a"), Storage())
    encoder, optimizer = an_encoder(1)
    other, other_optimizer = an_encoder(2)
    state, best = load_state(read_checkpoint(folder), other, other_optimizer)
    assert (state.step, best.step, best.miou) == (3, 3, 0.25)
    for one, one_optimizer in ((encoder, optimizer), (other, other_optimizer)):
        for parameter in one.parameters():
            parameter.grad = torch.full_like(parameter, -0.7)
        one_optimizer.step()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_the_newest_whole_checkpoint_counts_and_a_torn_one_does_not(tmp_path: Path):
    for run, step in (("0000", 4), ("0000", 8), ("0001", 12), ("0001", 16)):
        save(tmp_path / run / f"checkpoint_{step}", step)
    (tmp_path / "0001/checkpoint_16/optimizer.safetensors").write_bytes(b"cut off")
    (tmp_path / "0001/checkpoint_12/state.json").write_bytes(b'{"fold": 0, "st')
    runs = Place.open(str(tmp_path), Storage())
    found = newest_checkpoint(runs)
    assert found is not None
    folder, state = found
    assert (Path(folder.path).name, state.step) == ("checkpoint_8", 8)
    damaged = [Path(uri).name for uri in find_checkpoints(runs).damaged]
    assert damaged == ["checkpoint_12", "checkpoint_16"]


def test_a_storage_that_does_not_answer_is_no_damaged_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path / "0000/checkpoint_4", 4)
    read = Place.read

    def unread(place: Place, **bounds: int | None) -> bytes:
        if place.path.endswith("optimizer.safetensors"):
            raise unanswered(place.uri, "ReadTimeoutError")
        return read(place, **bounds)

    monkeypatch.setattr(Place, "read", unread)
    with pytest.raises(BadStorage, match="ReadTimeoutError"):
        newest_checkpoint(Place.open(str(tmp_path), Storage()))


def test_a_run_that_begins_anew_removes_nothing(tmp_path: Path):
    save(tmp_path / "0000/checkpoint_4", 4)
    torn = tmp_path / "0000/checkpoint_4/optimizer.safetensors"
    torn.write_bytes(b"cut off")
    runs = Place.open(str(tmp_path), Storage())
    found = find_checkpoints(runs)
    assert (found.newest, len(found.damaged)) == (None, 1)
    assert begin_run(runs, None) == "0001"
    assert torn.exists()


def test_earlier_checkpoints_go_only_once_a_later_run_has_saved_one(tmp_path: Path):
    for run, step in (("0000", 4), ("0001", 8), ("0001", 12)):
        save(tmp_path / run / f"checkpoint_{step}", step)
    (tmp_path / "0001/checkpoint_12/optimizer.safetensors").write_bytes(b"cut off")
    runs = Place.open(str(tmp_path), Storage())
    found = newest_checkpoint(runs)
    assert found is not None
    begin_run(runs, found[0])
    kept = {str(Path(name).parent) for name in runs.files()}
    assert kept == {"0001/checkpoint_8", "0001/checkpoint_12"}


def test_a_new_run_keeps_what_it_goes_on_from_and_removes_the_rest(tmp_path: Path):
    save(tmp_path / "0000/checkpoint_4", 4)
    save(tmp_path / "0001/checkpoint_8", 8)
    runs = Place.open(str(tmp_path), Storage())
    found = newest_checkpoint(runs)
    assert found is not None
    assert begin_run(runs, found[0]) == "0002"
    again = newest_checkpoint(runs)
    assert again == found
    assert not list((tmp_path / "0000/checkpoint_4").glob("*"))


def test_no_run_at_all_begins_with_the_first(tmp_path: Path):
    runs = Place.open(str(tmp_path / "runs"), Storage())
    assert newest_checkpoint(runs) is None
    assert begin_run(runs, None) == "0000"


def a_row(step: int, loss: float) -> dict[str, object]:
    return {
        "step": step,
        "epoch": 0,
        "loss": loss,
        "learning_rate": 0.1,
        "episodes_per_s": 1.0,
        "workers": 1,
        "held_out_miou": None,
    }


def test_steps_done_again_after_a_kill_are_in_the_metrics_once(tmp_path: Path):
    folder = Place.open(str(tmp_path), Storage())
    write_metrics(folder, [a_row(0, 0.9), a_row(1, 0.8)])
    write_metrics(folder, [a_row(2, 0.7), a_row(3, 0.6)])
    write_metrics(folder, [a_row(2, 0.7)])  # from the checkpoint after step 1, once more
    write_metrics(folder, [a_row(3, 0.6)])
    folder.below("metrics/.00000004.parquet.0123abcd.tmp").create(b"PAR1, and no more")
    assert [row["step"] for row in read_metrics(folder)] == [0, 1, 2, 3]
    names = sorted(path.name for path in (tmp_path / "tensorboard").iterdir())
    assert len(names) == 3
    assert all("tfevents" in name for name in names)


def test_every_episode_of_an_epoch_belongs_to_exactly_one_step():
    schedule = Schedule(epochs=2, per_epoch=24, batch=8, learning_rate=1e-3)
    assert [schedule.position(step) for step in range(6)] == [
        (0, 0), (0, 8), (0, 16), (1, 0), (1, 8), (1, 16)
    ]  # fmt: skip
    assert [schedule.ends_epoch(step) for step in range(6)] == [False, False, True] * 2
    assert schedule.rate_at(0) == 1e-3
    assert schedule.rate_at(3) == pytest.approx(5e-4)
    assert schedule.rate_at(schedule.steps) == pytest.approx(0)
    assert whole_batches(1001, 8) == 1008
