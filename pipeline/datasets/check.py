"""Compare a folder with the layout of a data set: what is missing, and what is there."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.datasets.index import list_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.listing import Problem
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.dataset import Dataset
from schemas.job.storage import Storage
from schemas.names import LayoutName


@dataclass(frozen=True)
class Fault:
    """Something that is not as the distributor ships it."""

    what: str
    where: str
    got: str
    wanted: str


@dataclass(frozen=True)
class Checked:
    """A data set, looked through: faults of the layout, then of single files, and the counts."""

    layout: LayoutName
    split: str
    dataset: Dataset
    faults: Sequence[Fault]
    problems: Sequence[Problem] = ()
    images: int = 0
    masks: int = 0
    photos: int = 0  # fewer than images where these are boxes cut out of photos
    classes: int = 0
    classes_shown: int = 0
    states: dict[str, int] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, int]:
        """How many files or annotations have which problem."""
        return dict(Counter(problem.reason for problem in self.problems))

    @property
    def whole(self) -> bool:
        """True when nothing is missing or wrong."""
        return not self.faults and not self.problems


def check_dataset(
    root: str, storage: Storage, layout: LayoutName | None, split: str | None
) -> Checked:
    """Check the paths of a layout, then read the split as an index would.

    Without a layout, the one most of whose paths are there; without a split, the one it is
    evaluated on. Raises BadInput for a folder that looks like none, or a split that there is not.
    """
    place = Place.open(root, storage)
    layout = layout or guess_layout(place)
    chosen = LAYOUTS[layout]
    split = split or next(iter(chosen.specs))
    dataset = chosen.dataset(root, split)
    faults = [
        Fault("a folder without files" if path.endswith("/") or not path else "a missing file",
              place.below(path).uri.rstrip("/"), "nothing", chosen.source)
        for path in chosen.paths
        if not _is_there(place, path)
    ]  # fmt: skip
    try:
        listing = list_dataset(dataset, storage)
    except BadInput as error:
        faults.append(Fault(error.what, error.where, error.got, error.wanted))
        return Checked(layout, split, dataset, _distinct(faults))
    shown = Counter(row.category_id for row in listing.objects if row.state == "shown")
    return Checked(
        layout,
        split,
        dataset,
        _distinct(faults),
        listing.problems,
        images=len(listing.images),
        masks=shown.total(),
        photos=len({image.image_uri for image in listing.images}),
        classes=len(listing.categories),
        classes_shown=len(shown),
        states=dict(Counter(row.state for row in listing.objects)),
    )


def guess_layout(place: Place) -> LayoutName:
    """Return the layout whose paths are there, all or most of them. Raises BadInput for none."""
    shares: dict[LayoutName, float] = {
        name: sum(_is_there(place, path) for path in layout.paths) / len(layout.paths)
        for name, layout in LAYOUTS.items()
        if name != "folder"
    }
    best = max(shares, key=lambda name: (shares[name], len(LAYOUTS[name].paths)))
    # Less than half of it is a resemblance: JPEGImages alone is VOC's and DAVIS's.
    if shares[best] > 0.5:
        return best
    if any("/" in name for name in _first_files(place)):
        return "folder"
    raise BadInput(
        "a folder that looks like no data set",
        place.uri,
        "no file in a folder below it",
        f"a data set of the type that --type names: {', '.join(LAYOUTS)}",
    )


def _is_there(place: Place, path: str) -> bool:
    if path and not path.endswith("/"):
        parent, _, name = path.rpartition("/")
        folder = place.below(parent) if parent else place
        return name in folder.files(name, deep=False)
    folder = place.below(path.rstrip("/")) if path else place
    return bool(folder.files(deep=False)) or bool(folder.files())


def _first_files(place: Place) -> Iterator[str]:
    yield from place.files()


def _distinct(faults: Sequence[Fault]) -> list[Fault]:
    """Leave out what is said twice: a missing list is found by its path and by reading it."""
    return list({fault.where: fault for fault in reversed(faults)}.values())[::-1]
