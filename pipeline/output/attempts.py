"""Remember on storage what a unit was doing when its process died, so that a retry avoids it.

A killed process leaves no exception, so the note is written beforehand: `attempts/<unit>.json`,
removed once the unit is committed. A unit begun before without a commit notes each batch; a batch
at work in a death is done one image at a time; an image at work in two such deaths is rejected, and
its neighbours are labelled.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from pydantic import Field, ValidationError

from pipeline.output.paths import ATTEMPTS, attempt_note
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.errors import ImageRejected, MissingFile
from schemas.spec import Spec

# One death may be a preempted machine; two at the same image, alone in its process, are not.
DEATHS_TO_REJECT = 2


class Note(Spec):
    """What storage remembers of a unit that is not committed yet; numbers count within it."""

    tries: int = 0
    batch_at_work: int | None = None
    image_at_work: int | None = None
    bad_batches: tuple[int, ...] = ()  # at work when the process died or ran out of time
    deaths: dict[int, int] = Field(default_factory=dict)  # by image
    timeouts: tuple[int, ...] = ()  # images
    labelled: bool = False  # all of it, and not written yet


class Attempt:
    """One try at a unit; `careful` when an earlier one never came to its end."""

    def __init__(self, output: Place, unit: UnitName) -> None:
        self._place = output.below(attempt_note(unit))
        self._note = _after_death(self._read())
        self.careful = self._note.tries > 1
        self._write(self._note)

    def fault_of(self, number: int) -> ImageRejected | None:
        """Return why an image of the unit must not be tried again, None when it may be."""
        if number in self._note.timeouts:
            return ImageRejected("timeout", "the image took longer than limits.seconds_per_image")
        deaths = self._note.deaths.get(number, 0)
        if deaths >= DEATHS_TO_REJECT:
            return ImageRejected("crash", f"the process died {deaths} times on this image alone")
        return None

    def is_bad(self, batch: int) -> bool:
        """True when an earlier try ended in this batch: its images are to be done one by one."""
        return batch in self._note.bad_batches

    @contextmanager
    def batch(self, number: int) -> Iterator[None]:
        """Note, in a careful try, that a batch is at work until the block ends."""
        self._note = self._note.model_copy(update={"batch_at_work": number, "image_at_work": None})
        if self.careful:
            self._write(self._note)
        yield
        # Not written: the next batch's note, or the unit's end, replaces this one.
        self._note = self._note.model_copy(update={"batch_at_work": None})

    @contextmanager
    def image(self, number: int) -> Iterator[None]:
        """Note that one image of a bad batch is at work until the block ends."""
        self._write(self._note.model_copy(update={"image_at_work": number}))
        yield
        self._note = self._note.model_copy(update={"image_at_work": None})

    def timed_out(self) -> None:
        """Note what was at work as out of time; the caller ends the process."""
        note = self._note
        if note.image_at_work is not None:
            note = note.model_copy(update={"timeouts": (*note.timeouts, note.image_at_work)})
        elif note.batch_at_work is not None:
            note = note.model_copy(update={"bad_batches": (*note.bad_batches, note.batch_at_work)})
        self._write(note.model_copy(update={"batch_at_work": None, "image_at_work": None}))

    def labelled(self) -> None:
        """Note that nothing of the unit is at work any more: what dies now dies of another one."""
        if self.careful:
            self._write(self._note.model_copy(update={"labelled": True}))

    def forget(self) -> None:
        """Remove the note of a unit that is committed."""
        self._place.remove()

    def _read(self) -> Note:
        try:
            return Note.model_validate_json(self._place.read())
        except (MissingFile, ValidationError):
            # A note is advice: without it a unit is merely tried once more.
            return Note()

    def _write(self, note: Note) -> None:
        self._note = note
        self._place.replace(note.model_dump_json().encode())


def list_begun(output: Place, committed: Collection[UnitName]) -> tuple[str, ...]:
    """Return the names of units that have a note and are not committed, sorted. One LIST.

    A process that died between a unit's commit and the end of its note leaves one for nothing; what
    a process killed as it wrote a note left beside it is none.
    """
    names = output.below(ATTEMPTS).files()
    notes = {name.removesuffix(".json") for name in names if name.endswith(".json")}
    return tuple(
        sorted(n for n in notes - {str(unit) for unit in committed} if not n.startswith("."))
    )


def _after_death(note: Note) -> Note:
    """Count the death that the last note tells of, if it tells of one."""
    deaths, bad_batches = dict(note.deaths), note.bad_batches
    if note.image_at_work is not None:
        deaths[note.image_at_work] = deaths.get(note.image_at_work, 0) + 1
    elif note.batch_at_work is not None:
        bad_batches = (*bad_batches, note.batch_at_work)
    return Note(
        tries=note.tries + 1, bad_batches=bad_batches, deaths=deaths, timeouts=note.timeouts
    )
