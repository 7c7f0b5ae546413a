"""Remember on storage what a unit was doing when its process died, so that a retry avoids it.

A killed process leaves no exception, so the note is written beforehand: `attempts/<unit>.json`,
removed once the unit is committed. A unit begun before without a commit is done carefully, one
image at a time; an image at work in two such deaths is rejected, and its neighbours are labelled.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fsspec import AbstractFileSystem
from pydantic import Field, ValidationError

from pipeline.sink import UnitName
from pipeline.storage import read_bytes, remove, replace
from schemas.errors import ImageRejected, MissingFile
from schemas.spec import Spec

# One death may be a preempted machine; two at the same image, alone in its process, are not.
DEATHS_TO_REJECT = 2


class Note(Spec):
    """What storage remembers of a unit that is not committed yet."""

    tries: int = 0
    image_at_work: int | None = None
    deaths: dict[int, int] = Field(default_factory=dict)  # by the image's number in the unit
    timeouts: tuple[int, ...] = ()


class Attempt:
    """One try at a unit; `careful` when an earlier one never came to its end."""

    def __init__(self, fs: AbstractFileSystem, output: str, unit: UnitName) -> None:
        self._fs = fs
        self._path = f"{output}/attempts/{unit}.json"
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

    @contextmanager
    def image(self, number: int) -> Iterator[None]:
        """Note that an image of a careful try is at work until the block ends."""
        self._write(self._note.model_copy(update={"image_at_work": number}))
        yield
        # Not written: the next image's note, or the unit's end, replaces this one.
        self._note = self._note.model_copy(update={"image_at_work": None})

    def timed_out(self) -> None:
        """Note that the image at work is to be rejected; the caller ends the process."""
        number = self._note.image_at_work
        if number is not None:
            timeouts = (*self._note.timeouts, number)
            self._note = self._note.model_copy(update={"timeouts": timeouts, "image_at_work": None})
        self._write(self._note)

    def forget(self) -> None:
        """Remove the note of a unit that is committed."""
        remove(self._fs, self._path)

    def _read(self) -> Note:
        try:
            return Note.model_validate_json(read_bytes(self._fs, self._path))
        except (MissingFile, ValidationError):
            # A note is advice: without it a unit is merely tried once more.
            return Note()

    def _write(self, note: Note) -> None:
        self._note = note
        replace(self._fs, self._path, note.model_dump_json().encode())


def _after_death(note: Note) -> Note:
    """Count the death that the last note tells of, if it tells of one."""
    deaths = dict(note.deaths)
    if note.image_at_work is not None:
        deaths[note.image_at_work] = deaths.get(note.image_at_work, 0) + 1
    return Note(tries=note.tries + 1, deaths=deaths, timeouts=note.timeouts)
