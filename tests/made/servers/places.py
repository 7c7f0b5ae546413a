"""A local folder and an S3 bucket that tests fill in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.storage.files import open_filesystem, replace
from schemas.job.storage import Storage


@dataclass(frozen=True)
class Place:
    """A folder somewhere, and the storage section that reaches it."""

    uri: str
    storage: Storage

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files by their path below the folder."""
        fs, path = open_filesystem(self.uri, self.storage)
        for name, data in files.items():
            replace(fs, f"{path}/{name}", data)
