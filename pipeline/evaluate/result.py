"""A run's parts become its results: all counts, their scores, a page and a chart."""

from typing import Any

import pyarrow as pa

from pipeline.evaluate.chart import chart
from pipeline.evaluate.check import CheckedEvaluation
from pipeline.evaluate.page import page
from pipeline.evaluate.paths import CHART, COUNTS, HTML, PAGE, RESULT, SCORES
from pipeline.evaluate.scores import Drawing, score
from pipeline.evaluate.table import markdown
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from schemas.errors import MissingFile
from schemas.job.evaluate import EvaluateResult

REPORT_REVISION = 6  # raised by whoever changes what the same counts are told as


def publish(checked: CheckedEvaluation) -> EvaluateResult:
    """Write the results of a finished run, results.json last; nothing if they are there already.

    Every unit has a part of every method.
    """
    output, job = checked.output, checked.job
    result = describe(checked)
    if _published(output) == result:
        return result
    results = gather(checked)
    categories = checked.index.commit.categories
    names = {category.id: category.name for category in categories}
    scores = score(results, names, Drawing(job.resamples, job.seed))
    output.below(COUNTS).replace(to_parquet(results))
    output.below(SCORES).replace(to_parquet(scores))
    output.below(CHART).replace(chart(job, scores).encode())
    output.below(PAGE).replace(markdown(job, result, scores).encode())
    output.below(HTML).replace(page(job, scores).encode())
    output.below(RESULT).replace(result.model_dump_json(indent=1).encode())
    return result


def describe(checked: CheckedEvaluation) -> EvaluateResult:
    """Return what the results of a job are of."""
    job = checked.job
    names = {category.id: category.name for category in checked.index.commit.categories}
    too_few = {number for fold in checked.folds for number in fold.too_few}
    return EvaluateResult(
        episodes=checked.episodes_name,
        episodes_sha256=checked.episodes_sha256,
        methods={
            name: {number: checked.contents[name, number] for number in job.fold_numbers}
            for name in job.methods
        },
        random_weights=job.random_weights,
        too_few=tuple(names[number] for number in sorted(too_few)),
        decided_by="probability" if job.presence else "mask",
        resamples=job.resamples,
        revision=REPORT_REVISION,
    )


def gather(checked: CheckedEvaluation) -> pa.Table:
    """Return the counts of all methods, each row with its method's name."""
    tables = []
    for name in checked.job.methods:
        for number in checked.job.fold_numbers:
            units = [unit.name for unit in checked.units if unit.fold == number]
            table = checked.parts.read(checked.contents[name, number], units)
            tables.append(table.add_column(0, "method", pa.array([name] * len(table))))
    return pa.concat_tables(tables)


def _published(output: Place) -> EvaluateResult | None:
    try:
        return EvaluateResult.model_validate_json(output.below(RESULT).read())
    except MissingFile:
        return None


def read_scores(checked: CheckedEvaluation) -> list[dict[str, Any]]:
    """Return the published means over folds, rows of SCORES_SCHEMA."""
    rows = from_parquet(checked.output.below(SCORES).read()).to_pylist()
    return [row for row in rows if row["fold"] is None]
