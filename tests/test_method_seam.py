"""A new method is one file, one variant, one case and one test; nothing else knows the methods."""

import ast
from pathlib import Path
from typing import ClassVar, Literal, get_args

import pytest

from pipeline.embed.store import model_fields
from pipeline.weights.of_method import local_method
from schemas.job.method import AnyMethod, SamInput, Vrp
from schemas.job.networks import Backbone, Sam
from schemas.job.storage import Storage
from schemas.job.weights import weights_of, with_weights
from schemas.spec import Spec

ROOT = Path(__file__).parents[1]
VARIANTS = {variant.__name__ for variant in get_args(AnyMethod)}
BUILDER, SCHEMA = ROOT / "model/build.py", ROOT / "schemas/job/method.py"
FILES = [
    path
    for package in ("schemas", "model", "pipeline", "jobs")
    for path in (ROOT / package).rglob("*.py")
]


def names_in(path: Path) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("variant", sorted(VARIANTS - {Vrp.__name__}))
def test_a_method_is_known_to_the_schema_the_builder_and_files_of_its_own_only(
    variant: str,
) -> None:
    knowing = {path for path in FILES if variant in names_in(path)}
    own = {path for path in knowing if path.parent == ROOT / "model/methods"}
    assert knowing == own | {BUILDER, SCHEMA}
    assert len(own) == 1


def test_every_method_is_a_case_of_the_builder_and_of_no_other_match() -> None:
    for path in FILES:
        matched = [
            pattern.cls.id
            for pattern in ast.walk(ast.parse(path.read_text()))
            if isinstance(pattern, ast.MatchClass) and isinstance(pattern.cls, ast.Name)
        ]
        found = {name for name in matched if name in VARIANTS}
        assert found == (VARIANTS if path == BUILDER else set()), path


class Sixth(Spec):
    """A method that nobody wrote: a third network with weights of its own, and a search."""

    sam_input: ClassVar[SamInput] = "letterbox"
    searches: ClassVar[bool] = True
    search_end: ClassVar[float | None] = 0.3

    type: Literal["sixth"] = "sixth"
    sam: Sam
    backbone: Backbone | None = None
    judge: Backbone


def test_what_the_rest_asks_of_a_method_a_new_variant_answers(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.safetensors" for name in ("sam", "judge")}
    for file in files.values():
        file.write_bytes(b"")
    sixth = Sixth(
        sam=Sam(type="nano", weights=str(files["sam"])),
        judge=Backbone(type="nano", weights=str(files["judge"])),
    )
    places = {"method.sam.weights": str(files["sam"]), "method.judge.weights": str(files["judge"])}
    assert weights_of(sixth) == places
    assert weights_of(local_method(sixth, Storage())) == places
    assert with_weights(sixth, {"method.judge.weights": "x"}).judge.weights == "x"
    fields = model_fields(sixth, "sha256:ab")  # pyright: ignore[reportArgumentType]
    assert fields["sam_input"] == "letterbox"
