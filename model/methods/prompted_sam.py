"""Points, boxes and masks as prompts become masks, for many pairs of image and category at once.

Letters beyond those of model/segmenter.py: P pairs, M the decoder's four masks, D its width, S the
cells of the image embedding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from model.checkpoints.load import Loader
from model.methods.kinds import LoadKinds, kinds_by
from model.networks.backbone import Backbone
from model.networks.feature_maps import FeatureMaps
from model.networks.lite.sam import LiteImageEncoder, neck_of
from model.networks.mask_decoder import PAIRS_PER_CALL, Guidance, decode_pairs
from model.networks.pixels import carry, letterbox, letterbox_hw, normalise, squash
from model.networks.routing import Behind
from model.networks.sam import dense_position
from model.segmenter import Frame, Prediction
from schemas.job.method import SamInput
from schemas.job.networks import Backbone as BackboneSpec
from schemas.job.networks import Sam as SamSpec

# Below any threshold a job may set; SAM 2 writes the same number where it finds no object.
NO_MASK_LOGIT = -1024.0


@dataclass(frozen=True)
class PromptedNetworks:
    """SAM, and the encoder whose features are compared where that is not SAM's own; in eval mode.

    SAM's prompt encoder stays in float32, the rest is on one device and in one precision. kinds are
    for signals of presence.
    """

    sam: Sam
    backbone: Backbone | None
    kinds: LoadKinds | None = None


def load_prompted(sam: SamSpec, backbone: BackboneSpec | None, loader: Loader) -> PromptedNetworks:
    """Load the networks of a method without a trained part. Raises BadWeights."""
    encoder = None if backbone is None else loader.backbone(backbone)
    return PromptedNetworks(loader.sam(sam), encoder, kinds_by(loader))


@dataclass(frozen=True)
class Prompts:
    """Prompts of P pairs, in pixels of SAM's square input, float32.

    labels_PN are 1 on the object and 0 off it; logits_P1hw are a mask prompt, as the decoder made.
    """

    points_PN2: Tensor | None = None
    labels_PN: Tensor | None = None
    boxes_P4: Tensor | None = None
    logits_P1hw: Tensor | None = None

    def __len__(self) -> int:
        first = self.points_PN2 if self.points_PN2 is not None else self.boxes_P4
        assert first is not None, "a mask prompt goes with points or a box"
        return len(first)

    def chosen(self, pairs: slice) -> "Prompts":
        """Return the prompts of some of the pairs."""
        parts = (self.points_PN2, self.labels_PN, self.boxes_P4, self.logits_P1hw)
        return Prompts(*(None if part is None else part[pairs] for part in parts))

    def with_mask(self, logits_Phw: Tensor, boxes_P4: Tensor | None = None) -> "Prompts":
        """Return the same prompts, refined by the masks found so far and their boxes."""
        return replace(self, logits_P1hw=logits_Phw[:, None], boxes_P4=boxes_P4)


class PromptedSam:
    """SAM whose images meet its input in one way, asked by geometric prompts.

    via_px is the side of the square that images pass through with sam_input `via_512`.
    """

    def __init__(self, sam: Sam, sam_input: SamInput, via_px: int = 512) -> None:
        self.sam = sam
        self.frame: Frame = "letterbox" if sam_input == "letterbox" else "squash"
        self._via_px = via_px if sam_input == "via_512" else None
        self.device = sam.mask_decoder.iou_token.weight.device
        self.dtype = sam.mask_decoder.iou_token.weight.dtype
        self.side_px: int = sam.image_encoder.img_size
        self.grid: int = sam.prompt_encoder.image_embedding_size[0]
        self.position_1Dhw = dense_position(sam).to(self.device, self.dtype)

    def reads(self, backbone: Backbone) -> bool:
        """Return whether SAM embeds images from the very maps that the backbone makes of them."""
        encoder: nn.Module = self.sam.image_encoder
        return (
            isinstance(encoder, LiteImageEncoder)
            and encoder.trunk is backbone
            and self.frame == "squash"
            and self._via_px is None
        )

    def embed(
        self,
        images: Sequence[np.ndarray] | Sequence[Tensor],
        stored: Sequence[Tensor | None] | None = None,
        maps: FeatureMaps | None = None,
    ) -> Tensor:
        """Return SAM's embeddings [B, D, h, w]: those that a store has, the others computed.

        Stored ones must have been made in this frame. Images that are stretched may be uploaded
        already. maps are the images', of a backbone that SAM
        `reads`.
        """
        known = stored if stored is not None else [None] * len(images)
        found = {
            i: carry(e, self.device).to(self.dtype) for i, e in enumerate(known) if e is not None
        }
        missing = [i for i in range(len(images)) if i not in found]
        if missing:
            if maps is None:
                computed = self.encode(self.pixels([images[i] for i in missing]))
            else:
                computed = neck_of(self.sam)(maps)[missing]
            found |= dict(zip(missing, computed, strict=True))
        return torch.stack([found[i] for i in range(len(images))])

    def pixels(self, images: Sequence[np.ndarray | Tensor]) -> Tensor:
        """Bring images to SAM's frame on its device: [B, 3, side, side], for `encode`."""
        if self.frame == "letterbox":
            padded = [padded_input(cast(np.ndarray, one), self.side_px) for one in images]
            return carry(torch.cat(padded), self.device)
        side_px = self._via_px or self.side_px
        return torch.cat([squash(image, side_px, self.device) for image in images])

    def encode(self, pixels_B3HW: Tensor) -> Tensor:
        """Return SAM's embeddings of what `pixels` made: [B, D, h, w]."""
        if self.frame == "squash":
            pixels_B3HW = normalise(pixels_B3HW)
        pixels_B3HW = pixels_B3HW.to(self.dtype)
        if self._via_px is not None:
            sides_px = (self.side_px, self.side_px)
            pixels_B3HW = F.interpolate(pixels_B3HW, sides_px, mode="bilinear", align_corners=True)
        return self.sam.image_encoder(pixels_B3HW)

    def masks(
        self,
        embedding_BDhw: Tensor,
        images: Sequence[int],
        prompts: Prompts,
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return all four masks' logits [P, 4, 4h, 4w] and predicted IoUs [P, 4], float32.

        images says which of the B embeddings each pair is about. Mask 0 is SAM's single output, 1
        to 3 are its multimask outputs.
        """
        # The embeddings are repeated a call at a time: 4 MB for each pair, of 80 categories and 8
        # images 2.6 GB.
        steps = [
            slice(start, start + PAIRS_PER_CALL) for start in range(0, len(prompts), PAIRS_PER_CALL)
        ]
        made = [
            self._masks(
                embedding_BDhw[list(images[pairs])],
                prompts.chosen(pairs),
                None if guidance is None else guidance.chosen(pairs),
            )
            for pairs in steps
        ]
        logits, scores = zip(*made, strict=True)
        return torch.cat(logits), torch.cat(scores)

    def to_input(self, xy_N2: np.ndarray, image_HW: tuple[int, int]) -> np.ndarray:
        """Move points of an image to SAM's input: float32 [N, 2], as `ResizeLongestSide` does."""
        height, width = image_HW
        input_h, input_w = self.content_hw(image_HW)
        moved = np.asarray(xy_N2, dtype=np.float64) * [input_w / width, input_h / height]
        return moved.astype(np.float32)

    def content_hw(self, image_HW: tuple[int, int]) -> tuple[int, int]:
        """Return the part of SAM's input that an image covers, in its pixels."""
        if self.frame == "squash":
            return self.side_px, self.side_px
        return letterbox_hw(image_HW, self.side_px)

    def _masks(
        self, embedding_PDhw: Tensor, prompts: Prompts, guidance: Guidance | None
    ) -> tuple[Tensor, Tensor]:
        points = None
        if prompts.points_PN2 is not None and prompts.labels_PN is not None:
            points = (prompts.points_PN2, prompts.labels_PN)
        sparse_PND, dense_PDhw = self.sam.prompt_encoder(
            points=points, boxes=prompts.boxes_P4, masks=prompts.logits_P1hw
        )
        logits_PMhw, score_PM = decode_pairs(
            self.sam.mask_decoder,
            embedding_PDhw + dense_PDhw.to(self.dtype),
            self.position_1Dhw,
            sparse_PND.to(self.dtype),
            guidance=guidance,
        )
        return logits_PMhw.float(), score_PM.float()


AnswerT = TypeVar("AnswerT")


def in_batches(
    ask: Callable[[Sequence[np.ndarray], Sequence[Tensor | None]], Sequence[AnswerT]],
    device: torch.device,
    images: Sequence[np.ndarray],
    embeddings: Sequence[Tensor | None] | None = None,
) -> list[AnswerT]:
    """Ask about images, and stored embeddings of them, together on a GPU, on a CPU one by one.

    A CPU gains nothing from a batch, and one image at a time makes masks independent of it to the
    last bit (matrix products are summed in another order at other sizes).
    """
    stored = embeddings if embeddings is not None else [None] * len(images)
    step = 1 if device.type == "cpu" else max(1, len(images))
    return [
        answer
        for start in range(0, len(images), step)
        for answer in ask(images[start : start + step], stored[start : start + step])
    ]


def with_references(
    found: Sequence[Sequence[Prediction]], behind: Sequence[Sequence[Behind]]
) -> list[tuple[Prediction, ...]]:
    """Return the predictions of images with the references behind them, where any were chosen."""
    if not behind:
        return [tuple(one) for one in found]
    return [
        tuple(replace(one, behind=names) for one, names in zip(*image, strict=True))
        for image in zip(found, behind, strict=True)
    ]


def from_presence(prediction: Prediction, least: float | None) -> Prediction:
    """Return the prediction; below the least presence, that of an object that is not there."""
    presence = prediction.presence
    if least is None or presence is None or presence >= least:
        return prediction
    side = len(prediction.logits_hw)
    return no_mask(prediction.category_id, presence, side, prediction.frame)


def no_mask(category_id: int, presence: float, side: int, frame: Frame) -> Prediction:
    """Return the prediction of an object that is not there: no pixel, score 0."""
    logits_hw = np.full((side, side), NO_MASK_LOGIT, dtype=np.float32)
    return Prediction(category_id, logits_hw, 0.0, frame, presence)


def padded_input(image_HW3: np.ndarray, side_px: int) -> Tensor:
    """Return SAM's own input of an image, [1, 3, side, side]: scaled, normalised, 0 around it."""
    pixels_13HW = normalise(letterbox(image_HW3, side_px))
    height, width = pixels_13HW.shape[-2:]
    return F.pad(pixels_13HW, (0, side_px - width, 0, side_px - height))


def best_of_three(logits_PMhw: Tensor, score_PM: Tensor) -> tuple[Tensor, Tensor]:
    """Return the multimask output of the greatest predicted IoU: logits [P, h, w], scores [P]."""
    best_P = score_PM[:, 1:].argmax(dim=1) + 1
    pairs_P = torch.arange(len(best_P), device=best_P.device)
    return logits_PMhw[pairs_P, best_P], score_PM[pairs_P, best_P]


def box_of(mask_HW: Tensor) -> np.ndarray | None:
    """Return a mask's outermost pixels, left, top, right, bottom; None of an empty mask."""
    # One copy, which waits for the device; the rest is found on the CPU.
    lit = torch.cat([mask_HW.any(dim=1), mask_HW.any(dim=0)]).cpu().numpy()
    rows, columns = np.flatnonzero(lit[: len(mask_HW)]), np.flatnonzero(lit[len(mask_HW) :])
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1], rows[-1]])
