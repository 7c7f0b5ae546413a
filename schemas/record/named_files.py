"""A job becomes the files and folders that it names, each with its place in the job's document."""

from collections.abc import Iterator
from typing import Any, get_args

from schemas.spec import RESOLVED, Spec

KeyPath = tuple[str | int, ...]
"""The keys and list numbers that lead to a value, e.g. ("references", 0, "image")."""


def named_files(spec: Spec, key: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield every value of type Uri, in the order of the fields; weights are no Uri."""
    for name, field in type(spec).model_fields.items():
        is_uri = RESOLVED in field.metadata or _holds_uri(field.annotation)
        yield from _within(getattr(spec, name), (*key, name), is_uri=is_uri)


def _within(value: object, key: KeyPath, *, is_uri: bool) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, Spec):
        yield from named_files(value, key)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _within(item, (*key, number), is_uri=is_uri)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _within(item, (*key, name), is_uri=is_uri)
    elif is_uri and isinstance(value, str):
        yield key, value


def _holds_uri(annotation: Any) -> bool:
    """Whether Uri stands anywhere in a type, such as `tuple[Uri, ...] | None`."""
    metadata = getattr(annotation, "__metadata__", ())
    return RESOLVED in metadata or any(_holds_uri(part) for part in get_args(annotation))
