"""The tables of docs/ name exactly what the code has: keys of jobs, metrics, reasons."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from pipeline.monitoring.metrics import METERS
from schemas.errors import RejectReason
from schemas.job.dataset import Dataset
from schemas.job.evaluate import EvaluateJob
from schemas.job.label import LabelJob
from schemas.job.train import TrainJob

DOCS = Path(__file__).parents[1] / "docs"
SPAN = re.compile(r"`([^`]+)`")
FIRST_COLUMN = re.compile(r"\| (\**`[^|]*)\|")
# What several kinds of job share has its tables in job.md and datasets.md alone.
SHARED = ("method", "dataset", "output", "storage")

Schema = dict[str, Any]
Key = tuple[str, str]
"""The section it stands in, e.g. `compute.actors` or `targets type: images`, and its name."""


def keys_of(schema: Schema, place: str = "") -> set[Key]:
    """Return every key of a JSON Schema."""

    def resolved(part: Schema) -> Schema:
        name = part.get("$ref", "").rpartition("/")[2]
        return schema["$defs"][name] if name else part

    def objects(part: Schema) -> list[Schema]:
        """Return what has keys of its own in a value: it, its alternatives, or a list's items."""
        part = resolved(part)
        if "properties" in part or "discriminator" in part:
            return [part]
        parts = [*part.get("anyOf", ()), *filter(None, [part.get("items")])]
        return [found for one in parts for found in objects(one)]

    def walk(part: Schema, place: str, variant: str = "") -> Iterator[Key]:
        if "discriminator" in part:
            chosen_by = part["discriminator"]["propertyName"]
            for value, name in part["discriminator"]["mapping"].items():
                yield from walk(resolved({"$ref": name}), place, f" {chosen_by}: {value}")
            return
        for key, value in part["properties"].items():
            yield place + variant, key
            for one in objects(value):
                yield from walk(one, f"{place}.{key}".lstrip("."))

    return set(walk(schema, place))


def documented(page: str) -> set[Key]:
    """Return the keys in the first columns of a page's tables, each in the section of its heading.

    Other tables have another head than `key`. A row `actors.min` names `actors` too, and `min` in
    the section below.
    """
    place, variant, of_keys, keys = "", "", False, set[Key]()
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("#"):
            place, variant = (*SPAN.findall(line), "", "")[:2]
        if not line.startswith("|"):
            of_keys = False
        elif line.startswith("| key |"):
            of_keys = True
        elif of_keys and (row := FIRST_COLUMN.match(line)):
            for key in SPAN.findall(row[1]):
                first, _, below = key.partition(".")
                keys.add((f"{place} {variant}".rstrip(), first))
                if below:
                    keys.add((f"{place}.{first}", below))
    return keys


def own(keys: set[Key]) -> set[Key]:
    return {key for key in keys if not key[0].startswith(SHARED)}


def test_job_md_has_every_key_of_a_labeling_job() -> None:
    assert documented("job.md") == keys_of(LabelJob.model_json_schema())


@pytest.mark.parametrize(("page", "job"), [("train.md", TrainJob), ("evaluate.md", EvaluateJob)])
def test_a_page_has_every_key_of_its_job(page: str, job: type[TrainJob | EvaluateJob]) -> None:
    assert documented(page) == own(keys_of(job.model_json_schema()))


def test_datasets_md_has_every_key_of_every_dataset() -> None:
    keys = keys_of(TypeAdapter(Dataset).json_schema(), "dataset")
    assert documented("datasets.md") == keys


def test_monitoring_md_has_every_metric() -> None:
    named = re.findall(r"`(ray_vrp_\w+)`", (DOCS / "monitoring.md").read_text())
    ends = {"counter": "_total", "gauge": "", "histogram": ""}
    assert set(named) == {f"ray_{meter.name}{ends[meter.kind]}" for meter in METERS}


def test_storage_md_has_every_reason_to_reject_an_image() -> None:
    assert set(get_args(RejectReason)) <= set(SPAN.findall((DOCS / "storage.md").read_text()))
