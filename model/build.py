"""A method becomes a segmenter: networks built, weights loaded or drawn, references studied."""

from collections.abc import Callable, Sequence

import torch

from model.checkpoints.load import Loader
from model.checkpoints.state_dict import check_fit
from model.methods.gp_sam import GpSamSegmenter
from model.methods.lite_vrp import LiteVrpSegmenter, load_lite_vrp
from model.methods.matcher import MatcherSegmenter
from model.methods.persam import PersamSegmenter
from model.methods.persam_f import PersamFSegmenter
from model.methods.prompted_sam import load_prompted
from model.methods.vrp import VrpSegmenter, least_presence, load_vrp
from model.networks.device import Precision
from model.segmenter import PLAIN, LoadedReference, Segmenter, StudyOptions
from schemas.job.compute import Attention
from schemas.job.method import GpSam, Matcher, Method, Persam, PersamF, Vrp
from schemas.job.networks import Sam

LoadedMethod = Callable[[Sequence[LoadedReference], StudyOptions], Segmenter]
"""A method with its networks loaded: what makes a segmenter of references, as often as wanted."""


def build_segmenter(
    method: Method,
    references: Sequence[LoadedReference],
    device: str,
    precision: Precision,
    options: StudyOptions = PLAIN,
    attention: Attention = "auto",
) -> Segmenter:
    """Build a method's segmenter. Weights are local paths or `random[:SEED]`. Raises BadWeights."""
    loader = Loader(device, precision, attention=attention)
    return load_method(method, loader)(references, options)


def load_method(method: Method, loader: Loader) -> LoadedMethod:
    """Load what a method computes with, whatever its references. Raises BadWeights."""
    match method:
        case Vrp(sam=Sam(type="lite")):
            lite = load_lite_vrp(method, loader)
            return lambda references, options: LiteVrpSegmenter(lite, references, options)
        case Vrp():
            vrp = load_vrp(method, loader)
            return lambda references, options: VrpSegmenter(vrp, references, options)
        case GpSam():
            networks = load_prompted(method.sam, method.backbone, loader)
            return lambda references, options: GpSamSegmenter(networks, references, method, options)
        case Persam():
            networks = load_prompted(method.sam, method.backbone, loader)
            return lambda references, options: PersamSegmenter(
                networks, references, method, options
            )
        case PersamF():
            networks = load_prompted(method.sam, method.backbone, loader)
            return lambda references, options: PersamFSegmenter(
                networks, references, method, options
            )
        case Matcher():
            networks = load_prompted(method.sam, method.backbone, loader)
            return lambda references, options: MatcherSegmenter(
                networks, references, method, options
            )


def least_presence_of(method: Method) -> float | None:
    """Return the presence below which a method gives no mask: its own, or what its card says.

    Weights are local paths. Raises BadWeights.
    """
    if isinstance(method, Vrp):
        return least_presence(method)
    return method.min_presence if method.search_end is None else method.search_end


def check_weights(method: Method) -> None:
    """Raise BadWeights unless every local weights file fits its network; needs no GPU."""
    with torch.device("meta"):
        load_method(method, Loader("meta", "fp32", check_fit))
