"""A job's method has the presence head that was fitted for its very weights, or none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.build import build_segmenter, load_method
from model.checkpoints.load import Loader
from model.presence.head import odds_of
from model.presence.signals import signals_of
from model.segmenter import LoadedReference, StudyOptions
from pipeline.presence.heads import (
    OWN,
    PUBLISHED,
    head_for,
    head_of,
    networks_of,
    parse_heads,
    put_head,
)
from pipeline.weights.catalogue import CATALOGUE
from pipeline.weights.of_method import local_method
from schemas.errors import BadInput
from schemas.job.label import LabelJob
from schemas.job.method import always_masked
from schemas.job.storage import Storage
from schemas.record.presence import PresenceHead
from tests.made.networks.methods import IMAGES, method, reference
from tests.made.networks.presence import HEAD

LITE = {
    "type": "vrp",
    "weights": "lite-vrp",
    "sam": {"type": "lite", "weights": "lite-sam"},
    "backbone": {"type": "efficientnet_lite2", "weights": "efficientnet-lite2"},
    "queries": 24,
}


OF_PRODUCT = parse_heads(PUBLISHED.read_bytes(), str(PUBLISHED))


def job(head: Path, **changes: Any) -> LabelJob:
    document = {
        "targets": {"type": "images", "uris": "photos"},
        "references": [
            {"category": "a", "image": "a.jpg", "annotation": {"type": "mask", "uri": "a.png"}}
        ],
        "method": LITE | changes,
        "output": {"uri": "out"},
        "thresholds": {"recall": 0.9},
        "presence_head": str(head),
    }
    return LabelJob.model_validate(document, context={"folder": head.parent})


def test_a_head_is_for_the_weights_it_names_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    networks = networks_of(job(path).method)
    assert networks.networks == ("lite-vrp", "lite-sam", "efficientnet-lite2")
    of_lite = {"sam": "lite", "backbone": "efficientnet_lite2", "networks": networks.networks}
    put_head(path, HEAD)
    put_head(path, HEAD.model_copy(update=of_lite))
    assert head_of(job(path)).networks == networks.networks
    with pytest.raises(BadInput, match=r"own, lite-sam.*wanted|lite-vrp, lite-sam"):
        head_of(job(path, weights="mine.safetensors"))


def test_the_published_head_reads_what_the_published_small_networks_say(tmp_path: Path) -> None:
    method = job(tmp_path / "heads.json").method
    head = head_for(method, None, Storage())
    mask_HW = np.zeros((96, 128), np.uint8)
    mask_HW[30:70, 40:90] = 1
    image_HW3 = np.repeat((60 + 150 * mask_HW)[..., None], 3, axis=2)
    study = load_method(always_masked(local_method(method, Storage())), Loader("cpu", "fp32"))
    segmenter = study([LoadedReference("r", 1, image_HW3, mask_HW)], StudyOptions(evidence=True))
    [[there], [absent]] = segmenter.segment(
        [image_HW3[:, ::-1].copy(), np.full_like(image_HW3, 60)]
    )
    assert odds_of(head, there) > odds_of(head, absent)


@pytest.mark.parametrize("head", OF_PRODUCT, ids=lambda head: head.method)
def test_a_published_head_reads_only_what_its_method_says_and_is_for_published_weights(
    head: PresenceHead,
) -> None:
    assert set(head.networks) <= CATALOGUE.keys()
    if head.method == "vrp":
        return  # as above
    made = method(head.method)
    found = build_segmenter(
        made, [reference(1, 1), reference(2, 2)], "cpu", "fp32", StudyOptions(evidence=True)
    ).segment(IMAGES[:1])[0]
    assert set(head.signals) == signals_of(found[0]).keys()
    assert np.isfinite(odds_of(head, found[0]))


def test_a_head_fitted_anew_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    for bias in (1.0, 2.0):
        put_head(path, HEAD.model_copy(update={"bias": bias}))
    (kept,) = parse_heads(path.read_bytes(), str(path))
    assert kept.bias == 2.0
    assert kept.networks == (OWN,)
