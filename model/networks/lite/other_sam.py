"""A SAM other than `lite`, as it is: what pictures become before an encoder learns to prompt it."""

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from model.networks.lite.answer import Seen
from model.networks.pixels import normalise, resized


class OtherSam:
    """Embeds square pictures on half of SAM's grid."""

    def __init__(self, sam: Sam) -> None:
        self.sam = sam.requires_grad_(False)
        side: int = sam.prompt_encoder.image_embedding_size[0] // 2
        self.shape = (sam.prompt_encoder.embed_dim, side, side)
        """Of a picture's embedding, [D, h, w]."""

    @torch.inference_mode()
    def embed(self, images_BHW3: Tensor) -> Tensor:
        """Embed uint8 square images, one by one: float16 [B, D, h, w]."""
        dtype = self.sam.mask_decoder.iou_token.weight.dtype
        pixels_B3HW = resized(images_BHW3.permute(0, 3, 1, 2), self.sam.image_encoder.img_size)
        embedded = [
            Seen.halved(self.sam.image_encoder(normalise(one_13HW.float()).to(dtype)))
            for one_13HW in pixels_B3HW.split(1)
        ]
        return torch.cat(embedded).half()
