"""Jobs are tried on a few images of their collection, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from model.segmenter import Prediction
from pipeline.trial.moved import Moved
from schemas.errors import BadInput, ImageRejected
from schemas.job.label import LabelJob

if TYPE_CHECKING:
    from pipeline.trial.labelling import Labelling

IMAGES = 24
"""Of a try: on a laptop half a minute for networks of the smallest kind."""

State = Literal["waiting", "studying", "labelling", "done", "failed", "stopped"]


@dataclass(frozen=True)
class Tried:
    """An image after the model: a small copy, and predictions or why there are none."""

    image_id: str
    size_HW: tuple[int, int]
    small: Image.Image | None
    outcome: tuple[Prediction, ...] | ImageRejected


@dataclass(eq=False)
class Trial:
    """One try of a job, while it runs and after."""

    job: LabelJob
    chosen: tuple[tuple[str, str], ...] = ()
    """(id, URI) of the images to label; none: a sample spread over the collection."""
    state: State = "waiting"
    said: str = ""
    """Why it failed."""
    stopped: bool = False
    """It is to end: another one was begun."""
    wanted: int = IMAGES
    total: int | None = None
    """Images of the collection; of tars and Parquet files, as many as their bytes promise."""
    seconds: float | None = None
    """What an image takes, when it is seen for the first time."""
    moved: Moved = field(default_factory=Moved)
    """The job's own thresholds."""
    tried: list[Tried] = field(default_factory=list)
    rows: Callable[[int, Any], list[dict[str, Any]]] = lambda _, __: []
    """The label rows of a tried image under thresholds, Moved."""

    def labelled(self) -> dict[str, tuple[int, list[dict[str, Any]]]]:
        """Return each tried image's place and its rows under the job's own thresholds, by id."""
        places = enumerate(self.tried)
        return {one.image_id: (place, self.rows(place, self.moved)) for place, one in places}


class Trials:
    """Tries one job after the other; networks are loaded once. Called by many threads."""

    def __init__(self) -> None:
        self.last: Trial | None = None
        self._labelling: Labelling | None = None
        self._one_at_a_time = threading.Lock()

    def begin(self, job: LabelJob, chosen: tuple[tuple[str, str], ...] = ()) -> Trial:
        """Begin to try a job, in place of the try under way."""
        if self.last is not None:
            self.last.stopped = True
        self.last = trial = Trial(job, chosen)
        threading.Thread(target=self._run, args=(trial,), daemon=True).start()
        return trial

    def _run(self, trial: Trial) -> None:
        with self._one_at_a_time:
            try:
                self._loaded().label(trial)
                trial.state = "stopped" if trial.stopped else "done"
            except BadInput as error:
                trial.said = str(error)
            finally:
                if trial.state not in {"done", "stopped"}:
                    trial.said = trial.said or "an error that the terminal of vrp studio shows"
                    trial.state = "failed"

    def _loaded(self) -> Labelling:
        if self._labelling is None:
            # torch takes seconds to import, and the page need not wait for it.
            from pipeline.trial.labelling import Labelling  # noqa: PLC0415

            self._labelling = Labelling()
        return self._labelling
