"""A finished fold's last checkpoint becomes a VRP checkpoint with its model card, and a result."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load

from model.checkpoints.state_dict import save_weights
from pipeline.storage.place import Place
from pipeline.train.fold import FoldRun
from pipeline.train.metrics import merge_metrics
from pipeline.train.paths import RESULT, WEIGHTS, fold_folder
from pipeline.train.state import STATE
from schemas.errors import MissingFile
from schemas.job.train import FoldResult, TrainState
from schemas.names import LabelType
from schemas.record.card import Training, VrpCard

# Our episodes' names of annotation formats, and a card's.
CARD_FORMATS: dict[str, LabelType] = {
    "points": "point",
    "scribbles": "scribble",
    "box": "box",
    "mask": "mask",
}


def read_result(output: Place, fold: int) -> FoldResult | None:
    """Return the result of a finished fold whose weights are in place, None for any other."""
    folder = output.below(fold_folder(fold))
    try:
        found = folder.below(RESULT).read()
        weights = folder.below(WEIGHTS).read()
    except MissingFile:
        return None
    result = FoldResult.model_validate_json(found)
    return result if hashlib.sha256(weights).hexdigest() == result.weights_sha256 else None


def finish_fold(run: FoldRun, output: Place, files: Mapping[str, bytes]) -> FoldResult:
    """Write vrp.safetensors, metrics.parquet and, last, result.json of a fold.

    files are those of the checkpoint after the last step.
    """
    number = run.fold.number
    folder = output.below(fold_folder(number))
    state = TrainState.model_validate_json(files[STATE])
    rows = merge_metrics(folder)
    batch = run.schedule.batch
    last = [row["loss"] for row in rows[-50:]]
    last_loss = sum(last) / len(last)
    hours = sum(batch / row["episodes_per_s"] for row in rows) / 3600
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / WEIGHTS
        save_weights(load(files["best.safetensors"]), path, _card(run, state, last_loss, hours))
        data = path.read_bytes()
    folder.below(WEIGHTS).replace(data)
    result = FoldResult(
        fold=number,
        weights=f"{run.job.output.uri}/{fold_folder(number)}/{WEIGHTS}",
        weights_sha256=hashlib.sha256(data).hexdigest(),
        steps=run.schedule.steps,
        episodes=run.schedule.steps * batch,
        best_step=state.best_step,
        best_miou=state.best_miou,
        last_loss=last_loss,
    )
    folder.below(RESULT).replace(result.model_dump_json(indent=1).encode())
    return result


def _card(run: FoldRun, state: TrainState, last_loss: float, hours: float) -> VrpCard:
    job = run.job
    names = {category.id: category.name for category in run.index.commit.categories}
    formats: list[LabelType] = [
        CARD_FORMATS[name] for name, weight in job.episodes.formats.items() if weight > 0
    ]
    metrics = {"last_loss": last_loss}
    if state.best_miou is not None:
        metrics["held_out_miou"] = state.best_miou
    return VrpCard(
        network="vrp",
        sam=job.method.sam.type,
        backbone=job.method.backbone.type,
        reading=job.method.reading,
        queries=job.method.queries,
        query_init=job.method.query_init,
        label_types=tuple(formats),
        fold=f"{job.protocol}/{run.fold.number}",
        categories_seen=tuple(names[number] for number in run.fold.training),
        training=Training(
            data=f"{job.dataset.type}: {len(run.index.images)} images, "
            f"index {run.index.commit.sha256['objects.parquet'][:16]}",
            recipe={
                "steps": run.schedule.steps,
                "kept_step": state.best_step,
                "batch": run.schedule.batch,
                "learning_rate": run.schedule.learning_rate,
                "weight_decay": job.recipe.weight_decay,
                "negative_share": job.episodes.negative_share,
                "preset": job.preset or "",
            },
            seed=job.seed,
            hours=round(hours, 3),
        ),
        metrics=metrics,
    )
