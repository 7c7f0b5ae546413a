"""A step's number becomes its episodes and its learning rate; nothing else counts either."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Epochs of episodes cut into steps of `batch`; an epoch is a whole number of steps."""

    epochs: int
    per_epoch: int
    batch: int
    learning_rate: float

    def __post_init__(self) -> None:
        assert self.per_epoch % self.batch == 0

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one epoch."""
        return self.per_epoch // self.batch

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.epochs * self.steps_per_epoch

    def position(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step and the number of its first episode."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return epoch, place * self.batch

    def rate_at(self, step: int) -> float:
        """Return the learning rate: a cosine from learning_rate at step 0 to 0 after the last."""
        return self.learning_rate * (1 + math.cos(math.pi * step / self.steps)) / 2

    def ends_epoch(self, step: int) -> bool:
        """True for the last step of an epoch."""
        return (step + 1) % self.steps_per_epoch == 0


def whole_batches(episodes: int, batch: int) -> int:
    """Return the smallest multiple of batch that is at least `episodes`."""
    return -(-episodes // batch) * batch
