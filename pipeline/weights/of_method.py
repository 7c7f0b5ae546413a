"""Bring a method's weights to this node, and say what they hold."""

from pathlib import Path

from model.build import check_weights
from model.checkpoints.state_dict import read_card
from pipeline.weights.fetch import localise, sha256_of
from schemas.job.method import Method, Vrp
from schemas.job.storage import Storage
from schemas.job.weights import SpecT, random_seed, weights_of, with_weights
from schemas.record.card import VrpCard


def local_method(method: SpecT, storage: Storage) -> SpecT:
    """Return the method with every weights name replaced by a file in this node's cache.

    Random weights stay as they are. Raises BadWeights, BadStorage.
    """
    return with_weights(
        method,
        {
            key: weights if random_seed(weights) is not None else str(localise(weights, storage))
            for key, weights in weights_of(method).items()
        },
    )


def categories_seen(method: Method, storage: Storage) -> tuple[str, ...]:
    """Return the categories that VRP weights were trained on, where their card says so."""
    if not isinstance(method, Vrp) or random_seed(method.weights) is not None:
        return ()
    card = read_card(localise(method.weights, storage))
    return card.categories_seen if isinstance(card, VrpCard) else ()


def weight_contents(method: Method, storage: Storage) -> dict[str, str]:
    """Return what each key of `weights_of` holds: `sha256:…` of the file, or `random:SEED`.

    Raises BadWeights when a file is not a checkpoint of the architecture that the job names.
    """
    local = local_method(method, storage)
    check_weights(local)
    contents = {}
    for key, weights in weights_of(local).items():
        seed = random_seed(weights)
        contents[key] = f"sha256:{sha256_of(Path(weights))}" if seed is None else f"random:{seed}"
    return contents
