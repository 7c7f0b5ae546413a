"""Turn a committed output into one HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.output.committed import read_committed, read_labels, read_rejected
from pipeline.output.plan import read_plan
from pipeline.output.provenance import read_references, read_runs
from pipeline.output.verdicts import read_verdicts
from pipeline.report.cards import Card, Line, card_key, label_cards, reference_cards
from pipeline.report.figures import category_lines, charts_of, percent
from pipeline.report.reviews import review_lines
from pipeline.report.survey import (
    GROUPS,
    Group,
    RejectedSurvey,
    Survey,
    survey_labels,
    survey_rejected,
)
from pipeline.report.truth import Truth, read_truth
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.commit import Commit, Identity, Shard
from schemas.record.run import Run

CARDS_PER_GROUP = 12  # five groups of 12 pictures of 25 kB: a page of 2 MB
REFERENCES_PER_CATEGORY = 5
MOST_REFERENCES = 60
MOST_RUNS = 10
MOST_PASSED_OVER = 1000  # annotations of the ground truth that the page names
PASSED_OVER_PRINTED = 20  # and those that a terminal shows

TEMPLATE = "page.html.j2"
KINDS = {"tar": "tar", "parquet": "Parquet", "images": "lists of images"}


@dataclass(frozen=True)
class Cards:
    """One group of the contact sheet."""

    name: str
    title: str
    about: str
    cards: Sequence[Card]


@dataclass(frozen=True)
class Report:
    """The page, and what a person should know of the ground truth before believing it."""

    html: str
    remarks: tuple[str, ...] = ()


def make_report(output_uri: str, truth_uri: str | None, storage: Storage) -> Report:
    """Return the page. Raises BadInput for an output or a ground truth that cannot be read."""
    output = Place.open(output_uri, storage)
    commit, identity = read_committed(output)
    truth = None
    if truth_uri:
        by_id = identity.source == "coco"
        truth = read_truth(truth_uri, storage, commit.categories, by_coco_id=by_id)
    tables = read_labels(output, commit)
    survey = survey_labels(tables, commit.categories, truth, CARDS_PER_GROUP)
    rejected = survey_rejected(read_rejected(output, commit.parts), CARDS_PER_GROUP)
    kept = list(read_references(output, REFERENCES_PER_CATEGORY))[:MOST_REFERENCES]
    references = sorted(reference_cards(kept, commit), key=lambda pair: pair[0])
    page = {
        "output": output_uri,
        "truth": truth_uri,
        "remarks": truth.remarks(MOST_PASSED_OVER) if truth else (),
        "commit": commit,
        "identity": identity,
        "references": [card for _, card in references],
        "most_references": MOST_REFERENCES,
        "groups": _contact_sheet(survey, rejected, commit, truth, storage),
        "categories": category_lines(survey),
        "reviews": review_lines(
            read_verdicts(output, commit.fingerprint).values(), commit.categories
        ),
        "scores": survey.scores,
        "decided": survey.decided,
        "charts": charts_of(survey),
        "rejected": rejected,
        "runs": [_run_line(run) for run in read_runs(output, MOST_RUNS)],
        "facts": _facts(commit, identity, read_plan(output)[0]),
    }
    html = _environment().get_template(TEMPLATE).render(page)
    return Report(html, truth.remarks(PASSED_OVER_PRINTED) if truth else ())


def _contact_sheet(
    survey: Survey,
    rejected: RejectedSurvey,
    commit: Commit,
    truth: Truth | None,
    storage: Storage,
) -> list[Cards]:
    picks = [pick for group in GROUPS for pick in survey.picks[group]]
    cards = label_cards(picks, commit, truth, storage)
    about = _about(truth is not None, survey.decided)
    groups = [
        Cards(group, *about[group], [cards[card_key(pick)] for pick in survey.picks[group]])
        for group in GROUPS
    ]
    lost = [
        Card(
            row["image_id"],
            (Line("", row["reason"], row["message"]),),
            missing="no picture: rejected",
        )
        for row in rejected.picks
    ]
    return [*groups, Cards("rejected", "Rejected", "A random sample of what has no labels.", lost)]


def _about(judged: bool, decided: bool) -> dict[Group, tuple[str, str]]:
    """Return each group's title and what it is."""
    sureness = "probability that the object is there" if decided else "score"
    if judged:
        best, worst = "Largest IoU with the true mask.", "Smallest IoU; missed or false ones too."
    else:
        told = "" if decided else ", which is the model's own estimate of its IoU"
        best = f"Highest {sureness}{told}."
        worst = "Least stable: the mask changes most when the threshold does."
    return {
        "best": ("Best", best),
        "worst": ("Worst", worst),
        "least-confident": ("Least confident", f"Lowest {sureness} among the masks."),
        "random": ("Random", "Every image equally likely; the same at every call."),
    }


def _run_line(run: Run) -> tuple[str, ...]:
    stages = run.stages
    seconds = (stages.decode, stages.segment, stages.encode, stages.write)
    return (
        run.begun.removesuffix("+00:00"),
        f"{run.seconds:.1f}",
        f"{run.images:,}",
        f"{run.images / max(run.seconds, 1e-9):.1f}",
        *(f"{value:.1f}" for value in seconds),
    )


def _facts(commit: Commit, identity: Identity, shards: Sequence[Shard]) -> list[tuple[str, str]]:
    """Say what was planned, and what the labels depend on."""
    kinds = Counter(shard.kind for shard in shards)
    units = sorted({shard.images_per_unit for shard in shards})
    planned = ", ".join(f"{count:,} {KINDS[kind]}" for kind, count in kinds.items())
    return [
        ("shards planned", planned or "none"),
        ("images in lists", f"{sum(len(shard.images) for shard in shards):,}"),
        ("bytes of archives", f"{sum(shard.size_bytes for shard in shards):,}"),
        ("images per unit", ", ".join(map(str, units)) or "none"),
        ("units committed", f"{len(commit.parts):,}"),
        ("vanished inputs", f"{len(commit.vanished):,}"),
        ("job fingerprint", identity.fingerprint),
        ("model fingerprint", identity.model_fingerprint),
    ]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # image ids and messages are strangers' text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "count": lambda number: f"{number:,}"}
    return environment
