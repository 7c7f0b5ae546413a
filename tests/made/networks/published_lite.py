"""SAM `lite` with the weights that come with this package, by their paths."""

from pipeline.weights.catalogue import CATALOGUE
from schemas.job.networks import Sam

LITE_SAM = Sam.model_validate(
    {
        "type": "lite",
        "weights": CATALOGUE["lite-sam"].address,
        "trunk": {
            "type": "efficientnet_lite2",
            "weights": CATALOGUE["efficientnet-lite2"].address,
        },
    }
)
