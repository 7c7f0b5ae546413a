"""What a value breaks of its specification, in our words: pydantic's own speak to programmers."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

_SHOWN = 5
_SAID = {
    "value_error": "{error}",
    "assertion_error": "{error}",
    "missing": "is missing",
    "extra_forbidden": "is no key of this",
    "json_invalid": "is not JSON: {error}",
    "literal_error": "is none of {expected}",
    "union_tag_invalid": "{discriminator} is none of {expected_tags}",
    "union_tag_not_found": "lacks {discriminator}",
    "greater_than_equal": "is below {ge}",
    "greater_than": "is not above {gt}",
    "less_than_equal": "is above {le}",
    "less_than": "is not below {lt}",
    "too_short": "is shorter than {min_length}",
    "string_too_short": "is shorter than {min_length}",
    "too_long": "is longer than {max_length}",
    "int": "is not a whole number",
    "float": "is not a number",
    "finite": "is not a finite number",
    "string": "is not text",
    "bool": "is neither true nor false",
    "list": "is not a list",
    "tuple": "is not a list",
    "dict": "is not a mapping of keys to values",
    "model": "is not a mapping of keys to values",
}
"""By pydantic's type of a fault, or that type's first word: int_type, int_parsing, …"""


def meant(name: str, known: Iterable[str]) -> str:
    """Say which known name a wrong one was likely meant to be, "" if none is close."""
    close = get_close_matches(name, sorted(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def in_our_words(fault: Mapping[str, Any]) -> str:
    """Say one entry of `ValidationError.errors()` without its place and input."""
    kind = str(fault["type"])
    said = _SAID.get(kind) or _SAID.get(kind.partition("_")[0])
    return said.format(**fault.get("ctx", {})) if said else str(fault["msg"])


def faults_of(error: ValueError) -> str:
    """Say what is wrong with a file of ours: the first few faults, each with its place.

    Other errors than pydantic's say it themselves.
    """
    if not isinstance(error, ValidationError):
        return str(error)
    every = error.errors(include_url=False)
    said = []
    for fault in every[:_SHOWN]:
        place = ".".join(map(str, fault["loc"]))
        said.append(f"{place}: {in_our_words(fault)}" if place else in_our_words(fault))
    if len(every) > _SHOWN:
        said.append(f"and {len(every) - _SHOWN} more")
    return "; ".join(said)
