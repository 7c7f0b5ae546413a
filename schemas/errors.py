"""Every error a user can meet, as one tree.

VrpError
├── BadInput            the job cannot be run as written (exit code 2)
│   ├── BadReference    a reference image or its annotation
│   ├── BadWeights      a checkpoint that is not what the job names
│   ├── BadStorage      a file, bucket or endpoint that cannot be read or written as asked
│   │   ├── MissingFile the storage answers, and the file is not there
│   │   └── UnreadableFile  the storage answers, and this one file may not be read
│   ├── OtherJob        the output holds another job's labels
│   └── TooManyRejected more images are rejected than the job's budget allows
└── ImageRejected       one image cannot be labelled; becomes a row in rejected/, never a crash
"""

from typing import Literal

RejectReason = Literal[
    "decode",  # bytes that no decoder accepts: truncated, empty, text, unknown format
    "too-large",  # more pixels or bytes than the job's limits allow
    "animated",  # more than one frame: which one was meant is not ours to guess
    "missing",  # listed in the inputs, gone when read
    "unreadable",  # a file that may not be read: permission, or an archived object
    "no-image",  # a sample of a shard without an image member
    "duplicate-id",  # a second image of the same id in one shard
    "no-id",  # a row of a Parquet file whose id is null
    "truncated-shard",  # the shard ends in the middle of this member
    "unsafe-name",  # an archive member that is a link, absolute, or climbs out of its folder
    "timeout",  # the image took longer than the job's limit
    "out-of-memory",  # the image alone does not fit
    "crash",  # the image alone kills the process
    "model",  # the model raised on this image alone
]


class VrpError(Exception):
    """Base of all errors raised on purpose."""


class BadInput(VrpError):
    """Something the user wrote cannot be used: what, where, what was got, what was wanted."""

    def __init__(self, what: str, where: str, got: str, wanted: str) -> None:
        # All four reach Exception.args, so the error survives pickling between Ray processes.
        super().__init__(what, where, got, wanted)
        self.what, self.where, self.got, self.wanted = what, where, got, wanted

    def __str__(self) -> str:
        return f"{self.what}\n  where:  {self.where}\n  got:    {self.got}\n  wanted: {self.wanted}"


class BadReference(BadInput):
    """A reference image or annotation that holds no usable object."""


class BadWeights(BadInput):
    """A weights file that is missing, damaged, or of another architecture."""


class BadStorage(BadInput):
    """A file, bucket or endpoint that cannot be read or written as the job asks."""


class MissingFile(BadStorage):
    """A file that is not there, on a storage that answers."""


class UnreadableFile(BadStorage):
    """A file that may not be read itself, on a storage that answers."""


class OtherJob(BadInput):
    """An output that belongs to a job with other references, weights, method or thresholds."""


class TooManyRejected(BadInput):
    """More rejected images than limits.max_rejected; what is committed stays."""


class ImageRejected(VrpError):
    """One image that cannot be labelled, with a reason code and a sentence for people."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(reason, message)
        self.reason: RejectReason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"
