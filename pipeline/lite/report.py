"""Losses of steps become lines of progress.jsonl: their means since the line before."""

import json
from pathlib import Path

import torch
from torch import Tensor


class Report:
    """Means of losses, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, list[Tensor]] = {}

    def add(self, losses: dict[str, Tensor]) -> None:
        """Count a step's, without waiting for the device."""
        for name, value in losses.items():
            self._values.setdefault(name, []).append(value.detach())

    def write(self, step: int, seconds: float, rate: float) -> None:
        """Append a line."""
        means = {name: float(torch.stack(v).mean()) for name, v in sorted(self._values.items())}
        rounded = {name: round(mean, 4) for name, mean in means.items()}
        line = {"step": step, "minutes": round(seconds / 60, 2), "rate": round(rate, 6), **rounded}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._values = {}
