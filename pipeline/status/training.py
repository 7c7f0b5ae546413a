"""A training job's output becomes how far each of its folds is."""

from dataclasses import dataclass

from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet
from pipeline.train.paths import IN_FOLD, METRICS, RESULT, fold_folder
from schemas.job.train import FoldResult, TrainIdentity


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


def train_status(output: Place, identity: TrainIdentity) -> TrainStatus:
    """Read a training output: a listing, and of each fold its result or its newest rows."""
    names: dict[int, list[str]] = {}
    for name in output.files("fold-"):
        if match := IN_FOLD.fullmatch(name):
            names.setdefault(int(match[1]), []).append(match[2])
    folds = tuple(_fold(output, number, names[number]) for number in sorted(names))
    done = bool(folds) and all(fold.done for fold in folds)
    return TrainStatus(done, _steps(identity), folds)


def _fold(output: Place, number: int, names: list[str]) -> FoldStatus:
    folder = output.below(fold_folder(number))
    rows = _newest_rows(folder, names)
    last = rows[-1] if rows else {}
    judged = [row["held_out_miou"] for row in rows if row["held_out_miou"] is not None]
    result = None
    if RESULT in names:
        result = FoldResult.model_validate_json(folder.below(RESULT).read())
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


def _newest_rows(folder: Place, names: list[str]) -> list[dict]:
    # A part per checkpoint, named by its first step; a hidden file is what a kill left of one.
    parts = sorted(n for n in names if n.startswith(f"{METRICS}/") and "/." not in n)
    if not parts:
        return []
    return from_parquet(folder.below(parts[-1]).read()).to_pylist()


def _steps(identity: TrainIdentity) -> int | None:
    epochs, batch, per_epoch = (
        identity.fields.get(f"recipe.{name}", "")
        for name in ("epochs", "batch", "episodes_per_epoch")
    )
    if not (epochs.isdigit() and batch.isdigit() and per_epoch.isdigit()):
        return None
    return int(epochs) * int(per_epoch) // int(batch)
