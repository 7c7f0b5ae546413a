"""A VRP method that names only its weights becomes a whole one: their model card says the rest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.weights.catalogue import CATALOGUE
from schemas.job.storage import Storage
from schemas.job.weights import Weights, random_seed
from schemas.record.card import VrpCard

WEIGHTS: TypeAdapter[str] = TypeAdapter(Weights)


def fill_methods(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a job, as read from YAML in a folder, with what cards say of its methods filled in.

    What the job says itself counts more, and what is wrong with it is left for its own check.
    Raises BadWeights, BadStorage.
    """
    try:
        storage = Storage.model_validate(document.get("storage") or {}, context={"folder": folder})
    except ValidationError:
        return dict(document)
    filled = dict(document)
    if isinstance(method := document.get("method"), dict):
        filled["method"] = _filled(method, storage, folder)
    if isinstance(methods := document.get("methods"), dict):
        filled["methods"] = {
            name: _filled(method, storage, folder) if isinstance(method, dict) else method
            for name, method in methods.items()
        }
    return filled


def _filled(method: dict[str, Any], storage: Storage, folder: Path) -> dict[str, Any]:
    if method.get("type") != "vrp" or {"sam", "backbone"} <= method.keys():
        return method
    try:
        weights = WEIGHTS.validate_python(method.get("weights"), context={"folder": str(folder)})
    except ValidationError:
        return method
    if random_seed(weights) is not None:
        return method
    # Only a job that leaves its networks to a card waits for torch before its mistakes are told.
    from model.checkpoints.state_dict import read_card  # noqa: PLC0415
    from pipeline.weights.fetch import localise  # noqa: PLC0415

    # Of the folds of an evaluation the first stands for all.
    card = read_card(localise(weights.replace("{fold}", "0"), storage))
    if not isinstance(card, VrpCard):
        return method
    said = {
        "sam": {"type": card.sam, "weights": published_as("sam", card.sam)},
        "backbone": {"type": card.backbone, "weights": published_as("backbone", card.backbone)},
        "reading": card.reading.model_dump(),
        "queries": card.queries,
        "query_init": card.query_init,
    }
    return said | method


def published_as(kind: str, network: str) -> str:
    """Return the name under which a network's weights are published."""
    return next(n for n, one in CATALOGUE.items() if (one.kind, one.type) == (kind, network))
