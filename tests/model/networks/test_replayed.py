"""Which calls are recorded, which replayed, and what becomes of those that cannot be."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from model.networks import replayed
from model.networks.replayed import MOST_RECORDINGS, PLAIN_CALLS, Replayed

TWO = torch.arange(6.0).reshape(2, 3)


class Graph:
    """Does again, on the tensors it was recorded with, what was done as it was."""

    def __init__(self) -> None:
        self.replay: Callable[[], None]


class Doubling:
    """A function that notes how often Python called it."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images_BC: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return 2 * images_BC, images_BC.sum(dim=1)


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> Doubling:
    """Let calls on this CPU be recorded."""
    function = Doubling()

    @contextmanager
    def graph(recording: Graph, **_: Any) -> Iterator[None]:
        made: list[tuple[Tensor, tuple[Tensor, Tensor]]] = []
        plain = Doubling.__call__

        def noted(self: Doubling, images_BC: Tensor) -> tuple[Tensor, Tensor]:
            outputs = plain(self, images_BC)
            made.append((images_BC, outputs))
            return outputs

        with monkeypatch.context() as patch:
            patch.setattr(Doubling, "__call__", noted)
            yield
        ((own, outputs),) = made

        def replay() -> None:
            outputs[0].copy_(2 * own)
            outputs[1].copy_(own.sum(dim=1))

        recording.replay = replay

    monkeypatch.setattr(replayed, "_fits", lambda _: True)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda _: None)
    return function


def ask(function: Replayed, images: Tensor) -> None:
    doubled, total = function(images)
    torch.testing.assert_close(doubled, 2 * images)
    torch.testing.assert_close(total, images.sum(dim=1))


def test_on_a_cpu_nothing_is_recorded() -> None:
    function = Doubling()
    asked = Replayed(function)
    for _ in range(PLAIN_CALLS + 2):
        ask(asked, TWO)
    assert function.calls == PLAIN_CALLS + 2


def test_what_comes_again_is_recorded_once_and_replayed_on_what_is_given(
    doubling: Doubling,
) -> None:
    asked = Replayed(doubling)
    for number in range(PLAIN_CALLS + 4):
        ask(asked, TWO + number)
    assert doubling.calls == PLAIN_CALLS + 1
    ask(asked, TWO[:1])
    assert doubling.calls == PLAIN_CALLS + 2


def test_only_so_many_shapes_are_recorded(doubling: Doubling) -> None:
    asked = Replayed(doubling)
    for images in range(1, MOST_RECORDINGS + 3):
        for _ in range(PLAIN_CALLS + 3):
            ask(asked, torch.ones(images, 3))
    recorded, plain = PLAIN_CALLS + 1, PLAIN_CALLS + 3
    assert doubling.calls == MOST_RECORDINGS * recorded + 2 * plain


def test_where_recording_fails_the_function_is_called_as_it_is(
    doubling: Doubling, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def graph(*_: Any, **__: Any) -> Iterator[None]:
        yield
        raise torch.AcceleratorError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", graph)
    asked = Replayed(doubling)
    with caplog.at_level(logging.WARNING):
        for _ in range(PLAIN_CALLS + 3):
            ask(asked, TWO)
    assert [record.message for record in caplog.records] == [
        "a batch cannot be recorded here: operation not permitted when stream is capturing"
    ]
    assert doubling.calls == PLAIN_CALLS + 4


def test_the_variable_records_nothing(doubling: Doubling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRP_REPLAY", "0")
    asked = Replayed(doubling)
    for _ in range(PLAIN_CALLS + 2):
        ask(asked, TWO)
    assert doubling.calls == PLAIN_CALLS + 2
