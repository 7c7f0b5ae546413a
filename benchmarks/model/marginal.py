"""One further category with one reference, against the naive forward of one.

python -m benchmarks.model.marginal [--json]

SAM's embedding is given to both. Ours is a ninth of what nine categories more take; the naive
forward encodes reference and target, prompts, decodes, and makes the mask.
"""

import copy

from benchmarks.parts.figure import cpu_seconds, faster, one_thread, tell
from benchmarks.parts.naive import NaiveVrp
from benchmarks.parts.vrp_job import NETWORKS, networks, our_masks, photo, references
from model.methods.vrp import VrpSegmenter
from model.networks.attention.choice import use_fast_attention

REPEATS = 3


def main() -> None:
    """Print the figure."""
    one_thread()
    loaded = networks("fp32")
    naive = NaiveVrp(copy.deepcopy(loaded), references(1, 1))
    use_fast_attention(loaded.sam.image_encoder)
    one, ten = (VrpSegmenter(loaded, references(categories, 1)) for categories in (1, 10))
    image = photo(7)
    embedding = naive.embed(image)
    pairs = []
    for _ in range(REPEATS):
        more = cpu_seconds(lambda: our_masks(ten, image, embedding[0]))
        less = cpu_seconds(lambda: our_masks(one, image, embedding[0]))
        pairs.append(((more - less) / 9, cpu_seconds(lambda: naive.label(image, embedding))))
    about = f"one further category and reference / the naive forward, fp32: {NETWORKS}"
    tell(faster("marginal", pairs, 30, about), __doc__)


if __name__ == "__main__":
    main()
