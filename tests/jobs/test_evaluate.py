"""vrp evaluate as an operator runs it: begun, gone on with, and asked again when all is done."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray
import typer
import yaml
from typer.testing import CliRunner

from jobs.evaluate import evaluate
from jobs.terminal.job_file import read_job
from pipeline.evaluate.actor import EvaluateUnits
from pipeline.evaluate.check import check
from schemas.errors import BadInput
from schemas.job.evaluate import COUNTS_SCHEMA, EPISODES_SCHEMA, EvaluateJob
from tests.made.data.training import write_dataset
from tests.made.jobs.evaluation import a_document

pytestmark = pytest.mark.cluster

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    root = write_dataset(tmp_path / "photos")
    document = a_document(
        tmp_path,
        {"type": "folder", "root": str(root)},
        formats=["mask", "box"],
        episodes_per_fold=6,
        min_area_px=500,
        compute={"episodes_per_unit": 2, "precision": "fp32"},
    )
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False)
    yield
    ray.shutdown()


def _written(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.usefixtures("cluster")
def test_an_interrupted_evaluation_goes_on_and_a_finished_one_does_nothing(job: Path) -> None:
    checked = check(read_job(EvaluateJob, job))
    first = checked.units[0]
    begun = EvaluateUnits(checked.job, checked.contents, checked.episodes_sha256)
    begun.commit(first, ("vrp",), 0.0)
    output = job.parent / "out"
    [(part, stamp)] = _written(output).items()

    done = CliRunner().invoke(app, [str(job), "--json"])
    assert done.exit_code == 0, done.output
    assert "vrp: 2 of 3 units to do" in done.stderr
    assert "persam: 3 of 3 units to do" in done.stderr
    written = _written(output)
    assert written[part] == stamp
    assert sum(name.startswith("parts/") for name in written) == 6
    scores = json.loads(done.stdout.splitlines()[-1])["scores"]
    assert {(row["method"], row["format"]) for row in scores} == {
        (method, form) for method in ("vrp", "persam") for form in ("mask", "box")
    }

    [episodes] = output.glob("episodes-*.parquet")
    assert pq.read_table(episodes).schema.equals(EPISODES_SCHEMA)
    results = pq.read_table(output / "results.parquet")
    assert results.num_rows == 6 * 2 * 2
    assert set(results.column_names) == {"method", *COUNTS_SCHEMA.names}
    page = (output / "results.md").read_text()
    assert "| vrp | mask | 1 |" in page
    assert "Untrained weights in persam, vrp" in page
    assert (output / "results.svg").read_text().startswith("<svg")

    again = CliRunner().invoke(app, [str(job)])
    assert again.exit_code == 0, again.output
    assert _written(output) == written

    other = CliRunner().invoke(
        app, [str(job), "--dry-run", "--set", "methods.persam.sam.weights=random:9"]
    )
    assert "vrp: 0 of 3 units to do" in other.output
    assert "persam: 3 of 3 units to do" in other.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("allow_random_weights=false", "methods.persam, methods.vrp = random"),
        ("folds=[1]", "protocol all has folds 0 to 0"),
        ("shots=[1, 1]", "wanted each once"),
        ("shots=[6]", "fewer than 7 images"),
        ("methods.persam.type=nothing", "methods.persam"),
        ("negative_share=0.5", "does not say what is absent"),
    ],
)
def test_a_job_that_cannot_be_scored_is_refused_before_it_starts(
    job: Path, change: str, said: str
) -> None:
    done = CliRunner().invoke(app, [str(job), "--dry-run", "--set", change])
    assert isinstance(done.exception, BadInput)
    assert said in str(done.exception)
