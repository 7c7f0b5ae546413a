"""Of many references an image is asked with those whose object looks most like something in it."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from model.build import load_method
from model.checkpoints.load import Loader
from model.networks.routing import likeness, route
from model.segmenter import PLAIN, LoadedReference, Prediction, Segmenter
from schemas.job.method import Vrp
from schemas.job.reference import BEST_OF_MANY, MANY_REFERENCES, BestReferences
from tests.made.pixels.waves import picture

NANO = {"type": "nano", "weights": "random:2"}
TRUNK = {"type": "efficientnet_lite2", "weights": "random:3"}
NETWORKS = {
    "full": {"sam": NANO, "backbone": {"type": "nano", "weights": "random:3"}},
    "lite": {"sam": {"type": "lite", "weights": "random:2", "trunk": TRUNK}, "backbone": TRUNK},
}
Make = Callable[[BestReferences, Sequence[LoadedReference]], Segmenter]


@pytest.fixture(scope="module", params=NETWORKS)
def make(request: pytest.FixtureRequest) -> Make:
    """Segmenters of random weights, by the number of references an image is asked with."""
    loader = Loader("cpu", "fp32")

    def made(best: BestReferences, references: Sequence[LoadedReference]) -> Segmenter:
        document = {"type": "vrp", "weights": "random:1", "queries": 4, "best_references": best}
        method = Vrp.model_validate(document | NETWORKS[request.param])
        return load_method(method, loader)(references, PLAIN)

    return made


def reference(category_id: int, colour: tuple[int, int, int]) -> LoadedReference:
    mask = np.zeros((64, 96), dtype=bool)
    mask[10:50, 20:80] = True
    image = np.full((64, 96, 3), colour, np.uint8)
    return LoadedReference(f"{colour}", category_id, image, mask)


MANY = [reference(7, colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250), (90, 90, 0))]
ONE = reference(2, (200, 200, 200))


def same(one: Prediction, other: Prediction) -> None:
    assert one.category_id == other.category_id
    np.testing.assert_allclose(one.logits_hw, other.logits_hw, rtol=0, atol=1e-3)
    assert one.score == pytest.approx(other.score, abs=1e-4)


def test_an_image_of_a_reference_is_asked_with_that_one_and_names_it(make: Make) -> None:
    segmenter = make(1, [*MANY, ONE])
    for known in MANY:
        ((lone, found),) = segmenter.segment([known.image_HW3])
        assert found.behind == ((known.id, 1.0),)
        assert lone.behind == ((ONE.id, 1.0),)
        ((alone,),) = make(None, [known]).segment([known.image_HW3])
        same(found, alone)


def test_each_image_of_a_batch_has_its_own_references(make: Make) -> None:
    segmenter = make(2, [*MANY, ONE])
    images = [picture(seed, 48, 64) for seed in (11, 12, 13)]
    for image, together in zip(images, segmenter.segment(images), strict=True):
        for one, other in zip(segmenter.segment([image])[0], together, strict=True):
            same(one, other)
            assert [name for name, _ in one.behind] == [name for name, _ in other.behind]
            assert sum(weight for _, weight in one.behind) == pytest.approx(1)
        assert [len(one.behind) for one in together] == [1, 2]


def test_asked_with_as_many_as_there_are_an_image_has_the_masks_of_all(make: Make) -> None:
    image = picture(11, 48, 64)
    ((every,),), ((best,),) = (make(n, MANY).segment([image]) for n in (None, 4))
    same(every, best)
    assert every.behind == ()
    assert {name for name, _ in best.behind} == {one.id for one in MANY}


def test_of_many_references_the_best_are_chosen_unless_all_are_asked_for(make: Make) -> None:
    image = picture(11, 48, 64)
    many = [reference(7, (20 * n, 250 - 20 * n, 90)) for n in range(MANY_REFERENCES + 1)]
    ((lone, best),) = make(None, [*many, ONE]).segment([image])
    assert len(best.behind) == BEST_OF_MANY
    assert lone.behind == ()
    same(lone, make(None, [ONE]).segment([image])[0][0])
    ((named,),) = make(BEST_OF_MANY, many).segment([image])
    same(best, named)
    assert [name for name, _ in best.behind] == [name for name, _ in named.behind]
    for segmenter in (make(None, many[1:]), make("all", many)):
        ((every,),) = segmenter.segment([image])
        assert every.behind == ()


def test_the_most_alike_come_first_and_weigh_most() -> None:
    looks_RC = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]))
    image_1SC = torch.tensor([[1.0, 0.0]]).expand(1, 9, 2)
    routes = route(
        likeness(image_1SC, looks_RC), [torch.tensor([0, 1, 2]), torch.tensor([2])], [2, 1]
    )
    assert routes.chosen_BKM.tolist() == [[[0, 1], [2, 2]]]
    assert routes.weight_BKM[0, 0, 0] > routes.weight_BKM[0, 0, 1]
    assert routes.weight_BKM[0, 1].tolist() == [1, 0]
