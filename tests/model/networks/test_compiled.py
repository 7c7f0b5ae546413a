"""Which calls are compiled, and what becomes of those that cannot be."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.networks import compiled
from model.networks.compiled import Compiled

TWO = torch.arange(6.0).reshape(2, 3)


class Doubling:
    """A network with one step."""

    factor = 2.0

    @Compiled
    def times(self, images_BC: Tensor) -> Tensor:
        """Multiply."""
        return images_BC * self.factor


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let tensors of this CPU be compiled; the batches that were."""
    batches: list[int] = []

    def compile_(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*args: object) -> Tensor:
            batches.extend(len(one) for one in args if isinstance(one, Tensor))
            return function(*args)

        return run

    monkeypatch.setattr(compiled, "_fits", lambda _: True)
    monkeypatch.setattr(torch, "compile", compile_)
    return batches


def test_on_a_cpu_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)
    with torch.no_grad():
        torch.testing.assert_close(Doubling().times(TWO.bfloat16()), 2 * TWO.bfloat16())


@torch.no_grad()
def test_batches_are_compiled_and_single_images_are_not(asked: list[int]) -> None:
    network = Doubling()
    for images in (TWO, TWO[:1], torch.cat([TWO, TWO])):
        torch.testing.assert_close(network.times(images), 2 * images)
    assert asked == [2, 4]


def test_where_gradients_are_wanted_nothing_is_compiled(asked: list[int]) -> None:
    images = TWO.clone().requires_grad_()
    Doubling().times(images).sum().backward()
    torch.testing.assert_close(images.grad, torch.full_like(TWO, 2))
    assert not asked


@torch.no_grad()
@pytest.mark.usefixtures("asked")
def test_what_cannot_be_compiled_runs_as_it_is_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def fail(*_: object) -> Tensor:
        tries.append(1)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda _: fail)
    step = Compiled(lambda images_BC: 3 * images_BC)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            torch.testing.assert_close(step(TWO), 3 * TWO)
    assert len(tries) == 1
    assert "cannot be compiled here: no compiler" in caplog.text


@torch.no_grad()
@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("error", [torch.AcceleratorError, torch.OutOfMemoryError])
def test_a_broken_device_is_not_the_compilers_fault(
    error: type[RuntimeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Tensor:
        raise error("of the device")

    monkeypatch.setattr(torch, "compile", lambda _: fail)
    with pytest.raises(error, match="of the device"):
        Compiled(lambda images_BC: images_BC)(TWO)
