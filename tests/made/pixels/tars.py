"""Tars made in memory: ordinary ones, and ones that nobody should have written."""

import io
import tarfile
from collections.abc import Sequence

Member = tuple[str, bytes] | tarfile.TarInfo


def make_tar(members: Sequence[Member], kind: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of (name, bytes) files and of headers given whole."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                name, data = member
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Return the header of a link, a device or another member without bytes."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return one header block alone, whose size may be a lie."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)
