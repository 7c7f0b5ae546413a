"""A place on storage: a filesystem, and a path on it."""

from dataclasses import dataclass
from typing import Self

from fsspec import AbstractFileSystem

from pipeline.storage.files import open_filesystem, read_bytes
from schemas.storage import Storage


@dataclass(frozen=True)
class Place:
    """A file or folder: where it is for people, and where it is for its opened file system."""

    fs: AbstractFileSystem
    path: str
    uri: str

    @classmethod
    def open(cls, uri: str, storage: Storage) -> Self:
        """Open a URI's file system."""
        return cls(*open_filesystem(uri, storage), uri)

    def below(self, name: str) -> "Place":
        """Return the place of a path below this folder."""
        return Place(self.fs, f"{self.path.rstrip('/')}/{name}", f"{self.uri.rstrip('/')}/{name}")

    def at(self, uri: str) -> "Place":
        """Return the place of another URI of the same storage, without opening it again."""
        return Place(self.fs, str(self.fs._strip_protocol(uri)), uri)

    def read(self, end: int | None = None) -> bytes:
        """Return the first `end` bytes, or all. Raises MissingFile, BadStorage."""
        return read_bytes(self.fs, self.path, None if end is None else 0, end)
