"""Turn brace patterns into the texts they stand for, as a shell does: a-{000..127}.tar, {a,b}."""

import re
from itertools import pairwise

from schemas.errors import BadInput

# A plan of more files than this is a mistyped range; it would fill the driver's memory.
_MAX_TEXTS = 1_000_000
_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")


def expand_braces(pattern: str) -> list[str]:
    """Expand ranges and alternatives, nested too, in the order they are written.

    A range keeps leading zeros and may count down. Braces without a range or a comma, or without
    their partner, stand for themselves. Raises BadInput for more than a million texts.
    """
    return _expand(pattern, pattern)


def _expand(text: str, pattern: str) -> list[str]:
    group = _first_group(text)
    if group is None:
        return [text]
    start, commas, end = group
    before, rest = text[:start], _expand(text[end + 1 :], pattern)
    inside = text[start + 1 : end]
    if counted := _RANGE.fullmatch(inside):
        choices = _count(counted[1], counted[2], pattern)
    elif commas:
        parts = [text[a + 1 : b] for a, b in pairwise([start, *commas, end])]
        choices = [choice for part in parts for choice in _expand(part, pattern)]
    else:
        choices = ["{" + choice + "}" for choice in _expand(inside, pattern)]
    if len(choices) * len(rest) > _MAX_TEXTS:
        raise _too_many(pattern)
    return [before + choice + tail for choice in choices for tail in rest]


def _first_group(text: str) -> tuple[int, list[int], int] | None:
    """Find the first balanced braces: where they open, their own commas, where they close."""
    for start in (match.start() for match in re.finditer("{", text)):
        depth = 0
        commas: list[int] = []
        for position in range(start, len(text)):
            match text[position]:
                case "{":
                    depth += 1
                case "}":
                    depth -= 1
                    if depth == 0:
                        return start, commas, position
                case ",":
                    if depth == 1:
                        commas.append(position)
                case _:
                    pass
    return None


def _count(first: str, last: str, pattern: str) -> list[str]:
    start, stop = int(first), int(last)
    padded = any(len(text) > 1 and text.startswith("0") for text in (first, last))
    width = max(len(first), len(last)) if padded else 0
    if abs(stop - start) >= _MAX_TEXTS:
        raise _too_many(pattern)
    step = 1 if stop >= start else -1
    return [f"{number:0{width}d}" for number in range(start, stop + step, step)]


def _too_many(pattern: str) -> BadInput:
    return BadInput(
        "a pattern of too many files", pattern, f"more than {_MAX_TEXTS}", "fewer, or a folder"
    )
