"""A training run's state becomes a folder of safetensors and JSON, and comes back bit for bit.

A checkpoint is encoder.safetensors, best.safetensors, optimizer.safetensors and state.json, which
holds the hashes of the other three: a folder that was uploaded in part is not a checkpoint.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.optim import AdamW

from model.checkpoints.state_dict import load_into
from model.networks.vrp_encoder import VrpEncoder
from schemas.errors import VrpError
from schemas.job.train import TrainState

STATE = "state.json"


class NotWhole(VrpError):
    """A checkpoint of which some bytes are missing, or others than it was saved with."""


MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter."""


@dataclass
class Best:
    """The encoder to hand out: the best on held-out images so far, else the latest."""

    step: int
    miou: float | None
    tensors: dict[str, Tensor]


def encoder_tensors(encoder: VrpEncoder) -> dict[str, Tensor]:
    """Return a copy of the encoder's weights on the CPU, contiguous."""
    return {k: v.detach().cpu().clone().contiguous() for k, v in encoder.state_dict().items()}


def save_state(
    folder: Path, encoder: VrpEncoder, optimizer: AdamW, best: Best, state: TrainState
) -> None:
    """Write a checkpoint into an empty folder; `state.sha256` is filled in here."""
    files = {
        "encoder.safetensors": save(encoder_tensors(encoder)),
        "best.safetensors": save(best.tensors),
        "optimizer.safetensors": save(_optimizer_tensors(encoder, optimizer)),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    stamped = state.model_copy(update={"sha256": digests})
    (folder / STATE).write_text(stamped.model_dump_json(indent=1))


def load_state(
    files: Mapping[str, bytes], encoder: VrpEncoder, optimizer: AdamW
) -> tuple[TrainState, Best]:
    """Put a checkpoint's tensors into the encoder and its optimizer.

    files are those that `check_whole` passed. Raises BadWeights when they are of another
    architecture.
    """
    state = TrainState.model_validate_json(files[STATE])
    load_into(load(files["encoder.safetensors"]), encoder, "encoder.safetensors")
    tensors = load(files["optimizer.safetensors"])
    for name, parameter in encoder.named_parameters():
        moments = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS}
        # AdamW counts steps on the CPU whatever the device; the rest lies with its parameter.
        optimizer.state[parameter] = {
            moment: tensor if moment == "step" else tensor.to(parameter.device)
            for moment, tensor in moments.items()
        }
    return state, Best(state.best_step, state.best_miou, load(files["best.safetensors"]))


def check_whole(files: Mapping[str, bytes], where: str) -> TrainState:
    """Return the state of a checkpoint whose files are those it names. Raises NotWhole."""
    try:
        state = TrainState.model_validate_json(files.get(STATE, b""))
    except ValueError as error:
        raise NotWhole(f"{where}/{STATE}: {error}") from error
    for name, digest in state.sha256.items():
        if hashlib.sha256(files.get(name, b"")).hexdigest() != digest:
            raise NotWhole(f"{where}/{name}: not of sha256 {digest}")
    return state


def _optimizer_tensors(encoder: VrpEncoder, optimizer: AdamW) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, parameter in encoder.named_parameters():
        moments = optimizer.state[parameter]
        for moment in MOMENTS:
            value = torch.as_tensor(moments[moment]).detach().cpu()
            tensors[f"{moment}.{name}"] = value.clone().contiguous()
    return tensors
