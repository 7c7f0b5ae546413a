"""A training job's output becomes how far each of its folds is."""

import io
import re
from dataclasses import dataclass

import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipeline.storage.files import list_files, read_bytes
from schemas.train import FoldResult, TrainIdentity

_PLACE = re.compile(r"fold-(\d+)/(.+)")


@dataclass(frozen=True)
class FoldStatus:
    """How far one fold is, as of its newest checkpoint."""

    fold: int
    done: bool
    step: int
    """Steps done."""
    loss: float | None
    held_out_miou: float | None
    """The newest that was judged; of a finished fold, that of the checkpoint kept."""
    episodes_per_s: float | None
    workers: int | None
    weights: str | None
    """What to name as method.weights; None until the fold is finished."""


@dataclass(frozen=True)
class TrainStatus:
    """How far a training job is: of the folds that have begun."""

    done: bool
    """Every fold that has begun is finished."""
    steps: int | None
    """Of a fold, None where it depends on the number of its images."""
    folds: tuple[FoldStatus, ...]


def train_status(fs: AbstractFileSystem, output: str, identity: TrainIdentity) -> TrainStatus:
    """Read a training output: a listing, and of each fold its result or its newest rows."""
    names: dict[int, list[str]] = {}
    for name in list_files(fs, output, "fold-"):
        if place := _PLACE.fullmatch(name):
            names.setdefault(int(place[1]), []).append(place[2])
    folds = tuple(_fold(fs, output, number, names[number]) for number in sorted(names))
    done = bool(folds) and all(fold.done for fold in folds)
    return TrainStatus(done, _steps(identity), folds)


def _fold(fs: AbstractFileSystem, output: str, number: int, names: list[str]) -> FoldStatus:
    folder = f"{output}/fold-{number}"
    rows = _newest_rows(fs, folder, names)
    last = rows[-1] if rows else {}
    judged = [row["held_out_miou"] for row in rows if row["held_out_miou"] is not None]
    result = None
    if "result.json" in names:
        result = FoldResult.model_validate_json(read_bytes(fs, f"{folder}/result.json"))
    return FoldStatus(
        fold=number,
        done=result is not None,
        step=result.steps if result else last.get("step", -1) + 1,
        loss=result.last_loss if result else last.get("loss"),
        held_out_miou=result.best_miou if result else (judged[-1] if judged else None),
        episodes_per_s=last.get("episodes_per_s"),
        workers=last.get("workers"),
        weights=result.weights if result else None,
    )


def _newest_rows(fs: AbstractFileSystem, folder: str, names: list[str]) -> list[dict]:
    # A part per checkpoint, named by its first step.
    parts = sorted(name for name in names if name.startswith("metrics/"))
    if not parts:
        return []
    return pq.read_table(io.BytesIO(read_bytes(fs, f"{folder}/{parts[-1]}"))).to_pylist()


def _steps(identity: TrainIdentity) -> int | None:
    epochs, batch, per_epoch = (
        identity.fields.get(f"recipe.{name}", "")
        for name in ("epochs", "batch", "episodes_per_epoch")
    )
    if not (epochs.isdigit() and batch.isdigit() and per_epoch.isdigit()):
        return None
    return int(epochs) * int(per_epoch) // int(batch)
