"""Several methods become segmenters that share what they compute: each image is encoded once.

Methods with the same SAM, or the same backbone, get one copy of it; an encoder that is asked about
an image it saw lately answers from memory. So the masks are those of each method alone, bit for
bit, while an image's encoding is paid once for all methods, annotation formats and shots.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from model.build import load_method
from model.checkpoints.load import Loader
from model.networks.device import Precision
from model.segmenter import PLAIN, LoadedReference, Segmenter, StudyOptions
from schemas.job.method import Method


class SideBySide:
    """Holds the networks of several methods, by name; weights are local paths or `random[:SEED]`.

    remembered is how many inputs each encoder keeps with its answers: the images of one comparison,
    once for every way they are fitted into a square.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        device: str,
        precision: Precision,
        remembered: int,
        options: StudyOptions = PLAIN,
    ) -> None:
        loader = Loader(device, precision)
        self._studies = {name: load_method(method, loader) for name, method in methods.items()}
        self._options = options
        for encoder in loader.image_encoders():
            remember(encoder, remembered)

    def study(self, name: str, references: Sequence[LoadedReference]) -> Segmenter:
        """Return the named method's segmenter of these references."""
        return self._studies[name](references, self._options)


def remember(encoder: nn.Module, most: int) -> None:
    """Let a frozen encoder answer inputs equal to one of its last `most` from memory."""
    forward = encoder.forward
    seen: deque[tuple[tuple[Tensor | None, ...], Any]] = deque(maxlen=most)

    def answer(_: nn.Module, *inputs: Tensor | None) -> Any:
        for place, (known, answered) in enumerate(seen):
            if _equal(known, inputs):
                # To the end: what is asked for again stays longest.
                del seen[place]
                seen.append((known, answered))
                return answered
        # Copies made outside inference mode may be read by methods that learn, and those inside it.
        with torch.inference_mode(False), torch.no_grad():
            kept = tuple(None if value is None else value.clone() for value in inputs)
            answered = forward(*kept)
        seen.append((kept, answered))
        return answered

    encoder.forward = MethodType(answer, encoder)


def _equal(known: Sequence[Tensor | None], asked: Sequence[Tensor | None]) -> bool:
    if len(known) != len(asked):
        return False
    return all(
        (a is None and b is None) or (a is not None and b is not None and torch.equal(a, b))
        for a, b in zip(known, asked, strict=True)
    )
