"""What storage says of a job at one moment, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.status.find import Status
    from pipeline.status.labeling import LabelStatus
    from pipeline.status.run_state import RunState
    from pipeline.status.training import TrainStatus
    from schemas.job.storage import Storage


@dataclass(frozen=True)
class Look:
    """What storage says at one moment: how far the job is, and what of its last run."""

    found: Status | None
    run: RunState

    @property
    def done(self) -> bool:
        from pipeline.status.find import EmbedStatus

        # What a store is to hold only its jobs know: done is one when its last job has said so.
        if self.found is None or isinstance(self.found, EmbedStatus):
            return self.run.state == "done"
        return self.found.done

    @property
    def over(self) -> bool:
        from pipeline.status.run_state import OVER

        return self.done or self.run.state in OVER


def look_at(output: str, storage: Storage) -> Look:
    """Read how far a job is from its output. Raises BadStorage."""
    from pipeline.status.find import read_status
    from pipeline.status.run_state import RunState, read_run_state
    from pipeline.storage.place import Place

    found = read_status(output, storage)
    if found is not None and found.done:
        return Look(found, RunState("done", None, "done"))
    return Look(found, read_run_state(Place.open(output, storage)))


def in_one_line(look: Look) -> str:
    """Say how far a job is."""
    return ", ".join(f"{name} {text}" for name, text in _facts(look))


def in_lines(look: Look, output: str) -> str:
    """Return a line for each fact: a table would cut an address or an id on a narrow screen."""
    return "\n".join([output, *(f"  {name:<26}  {text}" for name, text in _facts(look))])


def _facts(look: Look) -> list[tuple[str, str]]:
    """Return what a person wants to know of a job, in the order of importance."""
    from pipeline.status.find import EmbedStatus

    state, *others = _job_facts(look.found)
    is_store = isinstance(look.found, EmbedStatus)
    if look.run.run is None if is_store else look.done and look.found:
        return [state, *others]
    return [state, ("last run", look.run.says), *others]


def _job_facts(found: Status | None) -> list[tuple[str, str]]:
    from pipeline.status.find import EmbedStatus, EvaluateStatus
    from pipeline.status.labeling import LabelStatus
    from pipeline.status.training import TrainStatus

    match found:
        case None:
            return [("state", "not begun")]
        case LabelStatus():
            return _label_facts(found)
        case TrainStatus():
            return _train_facts(found)
        case EmbedStatus():
            units = [(f"units of {key}", str(count)) for key, count in found.units.items()]
            return [("state", "a store"), *units, ("size", f"{found.bytes / 2**20:.1f} MiB")]
        case EvaluateStatus():
            return [("state", _state(found.done)), ("parts", str(found.parts))]


def _state(done: bool) -> str:
    return "done" if done else "not finished"


def _label_facts(found: LabelStatus) -> list[tuple[str, str]]:
    from jobs.terminal.progress import at_most

    least, most = found.images_least, found.images_most
    facts = [
        ("state", _state(found.done)),
        ("shards", f"{found.shards_finished} of {found.shards}"),
        ("units committed", str(found.units)),
        ("units at work, or left so", str(len(found.units_at_work))),
        ("images", at_most(least, most)),
        ("units with rejected images", str(found.units_with_rejected)),
    ]
    if found.counts:
        counts = found.counts.model_dump().items()
        facts.append(("commit", ", ".join(f"{key.replace('_', ' ')} {n}" for key, n in counts)))
    for run in found.runs:
        pace = run.images / max(run.seconds, 1e-9)
        facts.append(
            (f"run of {run.begun}", f"{run.images} images in {run.seconds:.0f} s, {pace:.1f}/s")
        )
    return facts


def _train_facts(found: TrainStatus) -> list[tuple[str, str]]:
    facts = [("state", _state(found.done))]
    for fold in found.folds:
        parts = [f"step {fold.step}" + (f" of {found.steps}" if found.steps else "")]
        if fold.loss is not None:
            parts.append(f"loss {fold.loss:.4f}")
        if fold.held_out_miou is not None:
            parts.append(f"held-out mIoU {fold.held_out_miou:.4f}")
        if fold.episodes_per_s is not None:
            workers = f"{fold.workers} worker{'s' if fold.workers != 1 else ''}"
            parts.append(f"{fold.episodes_per_s:.1f} episodes/s on {workers}")
        if fold.weights is not None:
            parts.append(f"finished: {fold.weights}")
        facts.append((f"fold {fold.fold}", ", ".join(parts)))
    return facts
