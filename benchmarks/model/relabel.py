"""Label an image whose embedding is stored, against labeling it whole.

python -m benchmarks.model.relabel [--json]
"""

import torch

from benchmarks.parts.figure import faster, in_turns, one_thread, tell
from benchmarks.parts.vrp_job import NETWORKS, networks, our_masks, photo, references
from model.methods.vrp import VrpSegmenter
from model.networks.attention.choice import use_fast_attention
from model.networks.pixels import normalise, squash

if __name__ == "__main__":
    one_thread()
    loaded = networks("fp32")
    use_fast_attention(loaded.sam.image_encoder)
    segmenter = VrpSegmenter(loaded, references(5, 1))
    image = photo(7)
    with torch.inference_mode():
        pixels = normalise(squash(image, 1024, torch.device("cpu")))
        embedding = loaded.sam.image_encoder(pixels)[0].half()
    pairs = in_turns(
        lambda: our_masks(segmenter, image, embedding), lambda: our_masks(segmenter, image), 2
    )
    about = f"5 categories, fp32, a stored embedding / a full run: {NETWORKS}"
    tell(faster("relabel", pairs, 4.5, about), __doc__)
