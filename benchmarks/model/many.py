"""Label an image with 20 categories of 5 references each in bf16, against a naive loop.

python -m benchmarks.model.many [--json]

The naive loop is timed for two of the categories and its time multiplied by ten: it does the same
for each.
"""

import copy

from benchmarks.parts.figure import cpu_seconds, faster, one_thread, tell
from benchmarks.parts.naive import NaiveVrp
from benchmarks.parts.vrp_job import NETWORKS, networks, our_masks, photo, references
from model.methods.vrp import VrpSegmenter
from model.networks.attention.choice import use_fast_attention

CATEGORIES, EACH, TIMED = 20, 5, 2

if __name__ == "__main__":
    one_thread()
    loaded = networks("bf16")
    naive = NaiveVrp(copy.deepcopy(loaded), references(TIMED, EACH))
    use_fast_attention(loaded.sam.image_encoder)
    segmenter = VrpSegmenter(loaded, references(CATEGORIES, EACH))
    image = photo(7)
    ours = cpu_seconds(lambda: our_masks(segmenter, image))
    embedding = naive.embed(image)
    encoding = cpu_seconds(lambda: naive.embed(image))
    timed = cpu_seconds(lambda: naive.label(image, embedding))
    about = f"20 categories, 5 references each, bf16: {NETWORKS}; naive: 2 categories x 10"
    pair = (ours, encoding + timed * CATEGORIES / TIMED)
    tell(faster("many", [pair], 15, about), __doc__)
