"""Where a model runs: never on a CPU by mistake, and in bf16 only where the hardware has it."""

import pytest
import torch

from model.networks import device
from model.networks.device import pick_device, pick_precision
from schemas.errors import BadInput


def test_a_granted_gpu_that_torch_cannot_use_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    assert pick_device(0) == "cpu"
    with pytest.raises(BadInput, match=r"no NVIDIA driver(.|\n)*CUDA 13\.2: 580\.65\.06 or newer"):
        pick_device(0.5)


def test_the_driver_that_is_too_old_is_named(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = device.Path(str(tmp_path)) / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02\nGCC version\n")
    monkeypatch.setattr(device, "DRIVER_VERSION", version)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match=r"470\.57\.02, torch"):
        pick_device(1)


@pytest.mark.parametrize(("native", "picked"), [(True, "bf16"), (False, "fp32")])
def test_bf16_that_a_gpu_only_emulates_is_not_picked(
    native: bool, picked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or native

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert pick_precision("auto", "cuda") == picked
    assert pick_precision("bf16", "cuda") == "bf16"
