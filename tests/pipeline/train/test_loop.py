"""A fold's loop without Ray: the same curve from any number of workers and after any stop."""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
from safetensors.torch import load
from torch.multiprocessing.spawn import start_processes

from model.checkpoints.load import Loader
from model.checkpoints.state_dict import read_card
from model.methods.vrp import load_vrp
from pipeline.embed.store import EmbeddingStore, image_key, model_fields, pack_shard, write_shard
from pipeline.episodes.draw import EpisodePool
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from pipeline.train.fold import open_fold
from pipeline.train.learner import Worker
from pipeline.train.loop import train_fold
from pipeline.train.metrics import write_metrics
from pipeline.train.result import finish_fold, read_result
from pipeline.train.state import check_whole
from schemas.errors import BadInput
from schemas.job.train import TrainJob
from schemas.record.card import VrpCard
from tests.made.data.training import SAM, Kept, a_job, losses, run, write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_dataset(folder / "data")
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> Kept:
    return run(a_job(folder))


def test_a_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bytes(folder: Path, whole: Kept):
    stopped = run(a_job(folder), stop_after=1)
    assert len(stopped.rows) == 1
    resumed = run(a_job(folder), resume=stopped.checkpoints[-1])
    assert losses(stopped) + losses(resumed) == losses(whole)
    assert resumed.checkpoints[-1] == whole.checkpoints[-1]


def test_a_loss_that_is_no_longer_finite_names_what_mends_it(folder: Path):
    with pytest.raises(BadInput, match="no longer finite") as ended:
        run(a_job(folder, recipe={"epochs": 3, "learning_rate": 1e30, "batch": 4}))
    assert ended.value.where.startswith("fold 0, step ")
    assert "recipe.learning_rate" in ended.value.wanted


def _one_of(rank: int, workers: int, port: int, job: TrainJob, out: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=workers
    )
    kept = Kept()
    worker = Worker(rank, workers, "cpu", "fp32", episodes_per_pass=1)
    train_fold(open_fold(job, 0, SAM), worker, kept, None)
    if rank == 0:
        torch.save(losses(kept), out)
    torch.distributed.destroy_process_group()


def test_three_workers_give_the_curve_of_one_though_the_batch_does_not_divide(
    folder: Path, whole: Kept, tmp_path: Path
):
    out = str(tmp_path / "losses.pt")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    start_processes(_one_of, (3, port, a_job(folder), out), nprocs=3)
    assert torch.load(out, weights_only=True) == pytest.approx(losses(whole), abs=1e-5)


def test_the_rows_say_where_each_step_stood(whole: Kept):
    assert [row["step"] for row in whole.rows] == [0, 1]
    assert [row["epoch"] for row in whole.rows] == [0, 1]
    assert whole.rows[0]["learning_rate"] == 1e-4
    assert whole.rows[1]["learning_rate"] == pytest.approx(0.5e-4)


def test_the_best_on_held_out_images_is_kept_and_not_the_last(folder: Path):
    job = a_job(folder, selection={"held_out": 0.4, "episodes": 4})
    kept = run(job)
    judged = {row["step"] + 1: row["held_out_miou"] for row in kept.rows if row["held_out_miou"]}
    assert set(judged) == {1, 2}
    state = check_whole(kept.checkpoints[-1], "memory")
    assert state.best_miou == max(judged.values())
    assert state.best_step == max(judged, key=lambda step: (judged[step], -step))


def test_no_held_out_image_is_ever_trained_on(folder: Path):
    fold = open_fold(a_job(folder, selection={"held_out": 0.4}), 0, SAM)
    assert fold.held_out is not None
    shown = [set(_images(pool)) for pool in (fold.pool, fold.held_out)]
    assert shown[0]
    assert shown[1]
    assert not shown[0] & shown[1]


def _images(pool: EpisodePool) -> Iterator[int]:
    for category in pool.categories:
        yield from pool.index.image_of_object[category.present].tolist()


def test_the_novel_fold_is_neither_trained_on_nor_selected_on(tmp_path: Path):
    write_dataset(tmp_path / "data", names=("cat", "dog", "cow"))
    job = a_job(tmp_path, protocol="coco20i", selection={"held_out": 0.5})
    fold = open_fold(job, 0, SAM)
    names = {category.id: category.name for category in fold.index.commit.categories}
    assert [names[number] for number in fold.fold.novel] == ["dog"]
    assert fold.held_out is not None
    for pool in (fold.pool, fold.held_out):
        assert {names[category.category_id] for category in pool.categories} == {"cat", "cow"}


def test_a_finished_fold_leaves_weights_that_a_labeling_job_can_name(
    folder: Path, tmp_path: Path, whole: Kept
):
    job = a_job(folder, output={"uri": str(tmp_path)})
    output = Place.open(str(tmp_path), job.storage)
    write_metrics(output.below("fold-0"), whole.rows)
    result = finish_fold(open_fold(job, 0, SAM), output, whole.checkpoints[-1])
    assert read_result(output, 0) == result
    assert result.episodes == 8
    method = job.method.model_copy(update={"weights": result.weights})
    trained = load_vrp(method, Loader("cpu", "fp32")).encoder.state_dict()
    expected = load(whole.checkpoints[-1]["best.safetensors"])
    assert all(torch.equal(trained[name], expected[name]) for name in expected)
    card = read_card(Path(result.weights))
    assert isinstance(card, VrpCard)
    assert card.fold == "all/0"
    assert card.categories_seen == ("disc", "square", "stripe")


def test_what_the_store_holds_is_what_the_decoder_sees(folder: Path, tmp_path: Path, whole: Kept):
    job = a_job(folder, embeddings=str(tmp_path))
    fields = model_fields(job.method, SAM)
    rng = np.random.default_rng(0)
    photos = sorted((folder / "data").glob("*/*.jpg"))[:9]  # half: the rest is computed
    embeddings = {
        image_key(path.read_bytes()): rng.normal(0, 30, (128, 16, 16)).astype(np.float16)
        for path in photos
    }
    store = EmbeddingStore(str(tmp_path), job.storage, fields)
    unit = UnitName("0" * 16, 0, last=True)
    write_shard(store.folder, unit, pack_shard(embeddings, fields))
    assert losses(run(job)) != pytest.approx(losses(whole), abs=1e-3)
