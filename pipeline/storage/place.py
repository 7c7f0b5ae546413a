"""A place on storage: a file or folder that code is given, without knowing which storage it is."""

from dataclasses import dataclass
from typing import Self

from fsspec import AbstractFileSystem

from pipeline.storage.files import (
    create_once,
    file_size,
    list_files,
    open_filesystem,
    path_of,
    read_bytes,
    remove,
    replace,
)
from schemas.job.storage import Storage


@dataclass(frozen=True)
class Place:
    """A file or folder: where it is for people, and where it is for its opened file system.

    What a user can mend is raised as BadStorage by every verb.
    """

    fs: AbstractFileSystem
    path: str
    uri: str

    @classmethod
    def open(cls, uri: str, storage: Storage) -> Self:
        """Open a URI's file system."""
        return cls(*open_filesystem(uri, storage), uri)

    def __str__(self) -> str:
        return self.uri

    def below(self, name: str) -> "Place":
        """Return the place of a path below this folder."""
        return Place(self.fs, f"{self.path.rstrip('/')}/{name}", f"{self.uri.rstrip('/')}/{name}")

    def at(self, uri: str) -> "Place":
        """Return the place of another URI of the same storage, without opening it again."""
        return Place(self.fs, path_of(self.fs, uri), uri)

    def read(self, *, start: int | None = None, end: int | None = None) -> bytes:
        """Return a file's bytes, or start to end of them as in a slice. Raises MissingFile."""
        return read_bytes(self.fs, self.path, start, end)

    def size(self) -> int | None:
        """Return a file's size in bytes, None for a folder. Raises MissingFile."""
        return file_size(self.fs, self.path)

    def files(self, stem: str = "", *, deep: bool = True) -> dict[str, int]:
        """List the files below: path -> size in bytes, as `list_files`; none where nothing is."""
        return list_files(self.fs, self.path, stem, deep=deep)

    def create(self, data: bytes) -> bool:
        """Write a whole new file in one atomic step; False if it is there with other bytes."""
        return create_once(self.fs, self.path, data)

    def replace(self, data: bytes) -> None:
        """Write a whole file over what is there; readers see the old or the new."""
        replace(self.fs, self.path, data)

    def remove(self) -> None:
        """Delete a file that no step relies on being gone."""
        remove(self.fs, self.path)
