"""Read a tar made in memory, and say in a line what each member became."""

import io
from collections.abc import Callable

from pipeline.inputs.tar import TarImage, read_tar
from tests.made.pixels.tars import Member, make_tar

MAX_BYTES = 10_000
Line = tuple[str, bytes | str]


def read(
    data: bytes, max_bytes: int = MAX_BYTES, wanted: Callable[[int], bool] = lambda number: True
) -> list[TarImage]:
    return list(read_tar(io.BytesIO(data), len(data), max_bytes, wanted))


def lines(images: list[TarImage]) -> list[Line]:
    """Each image as (key, its bytes), each fault as (key, its reason)."""
    return [(i.key, i.fault.reason if i.fault else i.data) for i in images]


def read_members(*members: Member) -> list[Line]:
    return lines(read(make_tar(members)))
