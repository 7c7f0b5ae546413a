"""How many images a labeling output's committed units hold: exact where something says so."""

from collections.abc import Iterable, Sequence

from pipeline.output.commit import read_parts
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.record.commit import Commit, Shard

# A tar's last unit alone may hold fewer images than its name promises; a part is some 100 kB.
READ_AT_MOST = 64


def count_images(
    output: Place,
    shards: Iterable[Shard],
    units: Iterable[UnitName],
    commit: Commit | None,
) -> tuple[int, int]:
    """Return the least and the most images that committed units hold.

    Both are one where the commit, the plan or at most READ_AT_MOST files tell. Raises BadStorage.
    """
    known = {part.path: part.images for part in commit.parts} if commit else {}
    planned = {shard.id: shard for shard in shards}
    exact = 0
    open_ends: list[tuple[UnitName, Shard]] = []
    for unit in units:
        shard = planned.get(unit.shard_id)
        if unit.path in known:
            exact += known[unit.path]
        elif shard is not None and shard.kind == "images":
            exact += len(shard.images)
        elif shard is not None and not unit.last:
            exact += shard.images_per_unit
        elif shard is not None:
            open_ends.append((unit, shard))
    return _with_ends(output, exact, open_ends)


def _with_ends(
    output: Place, exact: int, ends: Sequence[tuple[UnitName, Shard]]
) -> tuple[int, int]:
    read = read_parts(output, [unit.path for unit, _ in ends[:READ_AT_MOST]])
    exact += sum(part.images for part in read.values())
    # A last unit may be empty: the unit before it was full.
    most = sum(shard.images_per_unit for _, shard in ends[READ_AT_MOST:])
    return exact, exact + most
