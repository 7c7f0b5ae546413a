"""What the page asks of a run: to start and stop one, and how far the job's output is."""

from typing import Any

from fastapi import APIRouter

from pipeline.output.identity import is_claimed
from pipeline.status.labeling import label_status
from pipeline.status.run_state import OVER, read_run_state
from pipeline.storage.place import Place
from pipeline.studio.draft import Draft
from pipeline.studio.run import Run
from schemas.job.label import LabelJob


def run_addresses(run: Run, draft: Draft) -> APIRouter:
    """Return the addresses; progress is what `vrp status` reads, whoever started the run."""
    router = APIRouter(prefix="/api/run")

    @router.get("")
    def look() -> dict[str, Any]:
        job = draft.job()
        own = run.describe(draft.path)
        status = _status(job)
        return {
            **own,
            **status,
            "command": f"{run.shown} {draft.path}",
            "output": job.output.uri,
            "total": draft.collection.total,
            "over": not own["alive"]
            and (status["done"] or status["state"] in {*OVER, "not begun"}),
        }

    @router.post("")
    def start() -> dict[str, Any]:
        draft.job()  # what is no job is refused before a process is started for it
        run.start(draft.path)
        return look()

    @router.post("/stop")
    def stop() -> dict[str, Any]:
        run.stop()
        return look()

    return router


def _status(job: LabelJob) -> dict[str, Any]:
    output = Place.open(job.output.uri, job.storage)
    state = read_run_state(output)
    if not is_claimed(output):
        return {"done": False, "state": state.state, "says": state.says}
    found = label_status(output)
    return {
        "state": "done" if found.done else state.state,
        "says": "" if found.done else state.says,
        "done": found.done,
        "images": found.images_least,
        "shards": found.shards,
        "shards_finished": found.shards_finished,
        "counts": found.counts.model_dump() if found.counts else None,
    }
