"""Scores become a Markdown page: the papers' table, with their rows, and ours in full."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.evaluate.metrics import ACCURACY, RISK_AT
from pipeline.evaluate.papers import DAVIS_2017_ROWS, PAPER_ROWS
from pipeline.evaluate.scores import GAIN
from schemas.fold import FOLDS_OF
from schemas.job.evaluate import EvaluateJob, EvaluateResult

DECIDED = {
    "probability": "probability of presence, from a half on",
    "mask": "mask: a method that finds none leaves it empty",
}

Scores = Mapping[tuple[Any, ...], dict[str, Any]]
Variant = tuple[str, str, int, int]
"""Method, annotation format, shots, growth of the reference's mask."""


def markdown(job: EvaluateJob, result: EvaluateResult, scores: pa.Table) -> str:
    """Return the page; scores are SCORES_SCHEMA."""
    rows = scores.to_pylist()
    score_of = {(*_variant(row), row["fold"], row["category"], row["metric"]): row for row in rows}
    variants = list(dict.fromkeys(_variant(row) for row in rows))
    lines = [
        *_head(job, result, rows),
        *_paper_table(job, score_of, variants),
        *_own_table(score_of, variants),
        *_everything(score_of, variants),
    ]
    if job.absent != "none":
        lines += _absent_table(score_of, variants)
        lines += _decision_table(job, result, score_of, variants)
    if job.presence:
        lines += _presence_table(score_of, variants)
    if job.dataset.type == "davis":
        lines += _davis_table(score_of, variants)
    lines += _category_tables(rows, "iou_grid", "IoU on the 512 grid")
    lines += _category_tables(rows, ACCURACY, "Decisions of presence that are right,")
    return "\n".join(lines) + "\n"


def _variant(row: Mapping[str, Any]) -> Variant:
    return row["method"], row["format"], row["shots"], row["mask_growth_px"]


def _head(
    job: EvaluateJob, result: EvaluateResult, rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    per_fold = {
        row["fold"]: row["episodes"]
        for row in rows
        if row["fold"] is not None and row["category"] is None
    }
    yield f"# Evaluation on {_dataset(job)}, protocol {job.protocol}"
    yield ""
    yield (
        f"{job.classes.capitalize()} categories; "
        + ", ".join(f"fold {fold}: {count} episodes" for fold, count in per_fold.items())
        + f" (asked for {job.episodes_per_fold}); no pair of reference and target twice; "
        f"the same pairs for every row. Episodes: `{result.episodes}`, sha256 "
        f"{result.episodes_sha256[:16]}…, seed {job.seed}."
    )
    if result.random_weights:
        yield ""
        yield (
            "**Untrained weights in "
            + ", ".join(result.random_weights)
            + ": these rows mean nothing.**"
        )
    if result.too_few:
        yield ""
        yield f"Left out, in too few images: {', '.join(result.too_few)}."
    yield ""
    yield (
        "In brackets: 95 % interval over episodes (percentile bootstrap within each category, of n "
        "episodes n - 1 redrawn; categories of one episode together, and none where it is alone)."
    )
    yield ""
    yield "![mIoU by method](results.svg)"


def _dataset(job: EvaluateJob) -> str:
    address = next(
        value
        for name in ("root", "instances", "output")
        if (value := getattr(job.dataset, name, None)) is not None
    )
    return f"{job.dataset.type} `{address.rstrip('/').rpartition('/')[2]}`"


def _paper_table(job: EvaluateJob, score_of: Scores, variants: Sequence[Variant]) -> Iterator[str]:
    folds = list(job.fold_numbers)
    growth = len(job.mask_growth_px) > 1
    yield from ("", "## mIoU on the 512 x 512 grid, per cent", "")
    heads = ["Method", "Label type", "Shots", *(f"F-{fold}" for fold in folds), "Mean", "Source"]
    yield from _heads(heads)
    for variant in variants:
        of_folds = (score_of[*variant, fold, None, "miou_grid"] for fold in folds)
        yield _line(
            variant[0],
            _label(variant, growth),
            str(variant[2]),
            *(per_cent(row, interval=False) for row in of_folds),
            per_cent(score_of[*variant, None, None, "miou_grid"]),
            "this run",
        )
    for row in PAPER_ROWS:
        if (
            row.protocol == job.protocol
            and job.classes == "novel"
            and any(row.shots == shots and row.label == form for _, form, shots, _ in variants)
        ):
            printed = [f"{row.folds[fold]:.1f}" if row.folds else "" for fold in folds]
            yield _line(
                row.method, row.label, str(row.shots), *printed, f"{row.mean:.1f}", row.source
            )
    count = FOLDS_OF[job.protocol]
    if len(folds) < count:
        yield from ("", f"The papers' means are over all {count} folds, ours over those shown.")
    if job.protocol == "all":
        yield from ("", "No row of the papers: none of their tables here is of these images.")


def _own_table(score_of: Scores, variants: Sequence[Variant]) -> Iterator[str]:
    metrics = {
        "mIoU, 512 grid": "miou_grid",
        "mIoU, own resolution": "miou",
        "FB-IoU, 512 grid": "fb_iou_grid",
        "FB-IoU, own resolution": "fb_iou",
        "boundary IoU": "boundary_iou",
    }
    growth = len({variant[3] for variant in variants}) > 1
    yield from ("", "## Means over folds with intervals, per cent", "")
    first = variants[0][0]
    heads = ["Method", "Label type", "Shots", *metrics]
    compared = any(variant[0] != first for variant in variants)
    yield from _heads([*heads, f"512 mIoU above {first}"] if compared else heads)
    for variant in variants:
        cells = _cells(score_of, variant, metrics.values())
        if compared:
            gain = score_of.get((*variant, None, None, GAIN))
            cells.append("" if gain is None else per_cent(gain))
        yield _line(variant[0], _label(variant, growth), str(variant[2]), *cells)


def _everything(score_of: Scores, variants: Sequence[Variant]) -> Iterator[str]:
    of_any = score_of[*variants[0], None, None, "miou_of_everything"]
    yield from ("", f"Masks of the whole image would have an mIoU of {per_cent(of_any)}.")


def _absent_table(score_of: Scores, variants: Sequence[Variant]) -> Iterator[str]:
    growth = len({variant[3] for variant in variants}) > 1
    yield from ("", "## Targets that do not show the category", "")
    yield (
        "A false mask covers more than 1 % of the image. AUROC: how often a target with the object "
        "scores above one without it, by the method's presence, else by SAM's predicted IoU. "
        "Threshold: the `min_presence` (else `thresholds.min_score`) that tells most of these very "
        "targets rightly, both kinds weighing the same. At 95 % recall: the targets without the "
        "object that score as high as all but a twentieth of those with it."
    )
    yield ""
    heads = ["Method", "Label type", "Shots", "False masks, %", "Presence AUROC, %"]
    yield from _heads([*heads, "False masks at 95 % recall, %", "Threshold"])
    metrics = ("false_mask_rate", "presence_auroc", "false_masks_at_95_recall")
    for variant in variants:
        cells = _cells(score_of, variant, metrics)
        threshold = score_of[*variant, None, None, "presence_threshold"]["value"]
        cells.append("" if threshold is None else f"{threshold:.3f}")
        yield _line(variant[0], _label(variant, growth), str(variant[2]), *cells)


def _decision_table(
    job: EvaluateJob, result: EvaluateResult, score_of: Scores, variants: Sequence[Variant]
) -> Iterator[str]:
    growth = len({variant[3] for variant in variants}) > 1
    ways = f"{job.ways} categories" if job.ways > 1 else "one category"
    metrics = {"Exact ratio, %": "exact_ratio", "Accuracy, %": ACCURACY}
    said = ""
    if job.absent == "partly":
        metrics["mIoU of what is kept, %"] = "miou_kept"
        said = (
            " Kept are the masks of what is said to be there, each pixel of one category; their "
            "mIoU is over all targets, those without the category too (FS-CS, Kang and Cho 2022)."
        )
    yield from ("", f"## Decisions of presence, {ways} a target", "")
    yield (
        f"An object is said to be there by its {DECIDED[result.decided_by]}. Exact ratio: targets "
        f"of which every decision is right; accuracy: single decisions that are.{said}"
    )
    yield ""
    yield from _heads(["Method", "Label type", "Shots", *metrics])
    for variant in variants:
        cells = _cells(score_of, variant, metrics.values())
        yield _line(variant[0], _label(variant, growth), str(variant[2]), *cells)


def _presence_table(score_of: Scores, variants: Sequence[Variant]) -> Iterator[str]:
    growth = len({variant[3] for variant in variants}) > 1
    yield from ("", "## Whether the object is there, by the probability of presence", "")
    yield (
        "Every target has a mask, and a probability; the table above counts with it too. "
        "Calibration error: how far said and true shares lie apart, over ten bins. Wrong of the "
        "surest: of so many decisions, there from a half, those that are furthest from it."
    )
    yield ""
    coverages = (50, 80, 100)
    heads = ["Method", "Label type", "Shots", "AUROC, %", "False masks at 95 % recall, %"]
    heads += ["Calibration error, %", *(f"Wrong of the surest {c} %, %" for c in coverages)]
    yield from _heads(heads)
    metrics = ("presence_auroc", "false_masks_at_95_recall", "calibration_error")
    names = (*metrics, *(f"{RISK_AT}{coverage}" for coverage in coverages))
    for variant in variants:
        cells = _cells(score_of, variant, names)
        yield _line(variant[0], _label(variant, growth), str(variant[2]), *cells)


def _davis_table(score_of: Scores, variants: Sequence[Variant]) -> Iterator[str]:
    yield from ("", "## DAVIS: means over frames, then over objects, per cent", "")
    yield from _heads(["Method", "Label type", "J&F", "J", "F", "Source"])
    for variant in variants:
        metrics = ("davis_j_and_f", "davis_j", "davis_f")
        cells = _cells(score_of, variant, metrics)
        yield _line(variant[0], variant[1], *cells, "this run")
    for method, *values, source in DAVIS_2017_ROWS:
        yield _line(method, "mask", *(f"{value:.1f}" if value else "" for value in values), source)


def _category_tables(rows: Sequence[Mapping[str, Any]], metric: str, name: str) -> Iterator[str]:
    """Yield a table for each way of giving references: a row a category, a column a method."""
    of_category = [row for row in rows if row["category"] and row["metric"] == metric]
    for given in dict.fromkeys(_variant(row)[1:] for row in of_category):
        chosen = [row for row in of_category if _variant(row)[1:] == given]
        methods = list(dict.fromkeys(row["method"] for row in chosen))
        form, shots, growth_px = given
        grown = f", reference masks grown by {growth_px} px" if growth_px else ""
        yield from ("", f"## {name} by category, per cent: {form}, {shots}-shot{grown}", "")
        yield from _heads(["Fold", "Category", "Episodes", *methods])
        by_place: dict[tuple[int, str], dict[str, Mapping[str, Any]]] = {}
        for row in chosen:
            by_place.setdefault((row["fold"], row["category"]), {})[row["method"]] = row
        for (fold, category), of_methods in by_place.items():
            episodes = str(next(iter(of_methods.values()))["episodes"])
            cells = [
                per_cent(of_methods[name], interval=False) if name in of_methods else ""
                for name in methods
            ]
            yield _line(str(fold), category, episodes, *cells)


def _label(variant: Variant, growth: bool) -> str:
    return f"{variant[1]}, {variant[3]:+d} px" if growth else variant[1]


def _cells(score_of: Scores, variant: Variant, metrics: Iterable[str]) -> list[str]:
    """Return a variant's means over folds and categories."""
    return [per_cent(score_of[*variant, None, None, metric]) for metric in metrics]


def per_cent(row: Mapping[str, Any], interval: bool = True) -> str:
    """Return a score as it is printed, with its interval; nothing where there is none."""
    if row["value"] is None:
        return ""
    text = f"{100 * row['value']:.1f}"
    if interval and row["low"] is not None:
        text += f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return text


def _heads(heads: Sequence[str]) -> Iterator[str]:
    yield _line(*heads)
    yield "|" + "---|" * len(heads)


def _line(*cells: str) -> str:
    # A category's name comes from a data set: a bar in it would end the cell.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
