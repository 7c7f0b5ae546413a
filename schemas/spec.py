"""The base of every specification: frozen, unknown keys rejected, URIs made absolute."""

import os
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)


class Spec(BaseModel):
    """A frozen value read from YAML; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(Spec):
    """A least and a most, both included."""

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}")
        return self


def resolve_uri(uri: str, info: ValidationInfo) -> str:
    """Return an address as it is, and a path as one beside the job file."""
    if not uri:
        raise ValueError("an empty URI")
    if "://" in uri:
        return uri.removeprefix("file://")
    # Relative paths mean "beside the job file", so that a job and its references move together.
    folder = (info.context or {}).get("folder", os.getcwd())
    # No normpath on the whole: "{a,b}" and "*" are part of a pattern and must survive as written.
    return os.path.join(folder, os.path.expanduser(uri))


RESOLVED = AfterValidator(resolve_uri)
"""Marks a field as a URI; by it a job's files are found."""

Uri = Annotated[str, RESOLVED]
"""A local path or `s3://bucket/key`; a relative path is relative to the job file's folder."""
