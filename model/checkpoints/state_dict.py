"""A weights file becomes a checked state dict, or an error that lists what does not fit."""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.checkpoints.file_format import file_format, torch_failure, unreadable
from schemas.errors import BadWeights
from schemas.faults import faults_of
from schemas.record.card import CARD, Card

StateDict = dict[str, Tensor]

# A counter that BatchNorm has since PyTorch 0.4.1; older files lack it and inference ignores it.
COUNTER = "num_batches_tracked"
# What torch.load raises over bytes that were cut off or changed: its unpickler checks few of them.
DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)
# Where a safetensors file of ours holds its model card, as JSON.
CARD_KEY = "card"


def read_state_dict(path: Path) -> StateDict:
    """Read a safetensors or torch file on the CPU, memory-mapped, without running its code.

    Unwraps one level of `state_dict`, `model` or `module`. Raises BadWeights.
    """
    if file_format(path) == "safetensors":
        return _read_safetensors(path)
    try:
        # Files of before PyTorch 1.6 are no zip archives and cannot be mapped.
        state = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except DAMAGED as error:
        raise unreadable(path, torch_failure(error)) from error
    for wrapper in ("state_dict", "model", "module"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not _is_state_dict(state):
        raise BadWeights(
            "a weights file holds something else",
            str(path),
            type(state).__name__,
            "a dictionary of tensors by name",
        )
    return dict(state)


def _is_state_dict(state: object) -> TypeGuard[Mapping[str, Tensor]]:
    return isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )


def _read_safetensors(path: Path) -> StateDict:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no iterator
    except SafetensorError as error:
        raise unreadable(path, f"a damaged file: {error}") from error


def read_card(path: Path) -> Card | None:
    """Return the model card inside a safetensors file of this project, None where there is none.

    Raises BadWeights for a card that cannot be read.
    """
    if file_format(path) != "safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(CARD_KEY)
        return None if text is None else CARD.validate_json(text)
    except (SafetensorError, ValidationError) as error:
        said = faults_of(error) if isinstance(error, ValidationError) else str(error)
        raise BadWeights(
            "a model card cannot be read", str(path), said, "a card of schemas/record/card.py"
        ) from error


def save_weights(state: Mapping[str, Tensor], path: Path, card: Card | None) -> None:
    """Write tensors, and their card if there is one, as one safetensors file."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    path.touch()
    # safetensors exchanges the file for one that only its owner may read.
    mode = path.stat().st_mode
    save_file(tensors, path, {CARD_KEY: card.model_dump_json()} if card else None)
    path.chmod(mode)


@dataclass(frozen=True)
class Misfits:
    """The keys by which a state dict differs from a network; empty when it fits."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    def __str__(self) -> str:
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "misshapen": self.misshapen,
        }
        return "; ".join(
            f"{len(keys)} {kind}: {', '.join(keys[:4])}{', …' if len(keys) > 4 else ''}"
            for kind, keys in kinds.items()
            if keys
        )


def misfits(state: Mapping[str, Tensor], module: nn.Module) -> Misfits:
    """Compare keys and shapes with a module's, which may be on the meta device."""
    wanted = module.state_dict()
    return Misfits(
        missing=tuple(k for k in wanted if k not in state and not k.endswith(COUNTER)),
        unexpected=tuple(key for key in state if key not in wanted),
        misshapen=tuple(
            f"{key} {tuple(state[key].shape)}, wanted {tuple(wanted[key].shape)}"
            for key in wanted
            if key in state and state[key].shape != wanted[key].shape
        ),
    )


def check_fit(state: Mapping[str, Tensor], module: nn.Module, where: str) -> None:
    """Raise BadWeights that names the missing, unexpected and misshapen keys, if any."""
    if found := misfits(state, module):
        raise BadWeights(
            "a weights file does not fit its network",
            where,
            str(found),
            f"the {len(module.state_dict())} tensors of {type(module).__name__}",
        )


def load_into(state: Mapping[str, Tensor], module: nn.Module, where: str) -> None:
    """Copy a state dict into a module after `check_fit`."""
    check_fit(state, module, where)
    counters = {k: v for k, v in module.state_dict().items() if k.endswith(COUNTER)}
    module.load_state_dict({**counters, **state})
