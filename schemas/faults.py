"""What a value breaks of its specification, in our words: pydantic's own speak to programmers."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_SHOWN = 5
_WANTED = {
    "missing": "is missing",
    "extra_forbidden": "is no key of this",
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


def in_our_words(fault: Mapping[str, Any]) -> str:
    """Say one entry of `ValidationError.errors()` without its place and input."""
    kind, context = str(fault["type"]), fault.get("ctx") or {}
    match kind:
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "json_invalid":
            return f"is not JSON: {context['error']}"
        case "literal_error" | "enum":
            return f"is none of {context['expected']}"
        case "union_tag_invalid":
            return f"{_key(context)} is none of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"lacks {_key(context)}"
        case "greater_than_equal":
            return f"is below {context['ge']}"
        case "greater_than":
            return f"is not above {context['gt']}"
        case "less_than_equal":
            return f"is above {context['le']}"
        case "less_than":
            return f"is not below {context['lt']}"
        case "too_short" | "string_too_short":
            return f"is shorter than {context['min_length']}"
        case "too_long":
            return f"has {context['actual_length']} entries, more than {context['max_length']}"
        case _:
            return _WANTED.get(kind) or _WANTED.get(kind.partition("_")[0]) or str(fault["msg"])


def _key(context: Mapping[str, Any]) -> str:
    return str(context["discriminator"]).strip("'")


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
