"""A text NAME=LEAST becomes what a figure must reach for a command to end with 0."""

from collections.abc import Sequence

from schemas.errors import BadInput


def read_requirement(text: str, names: Sequence[str]) -> tuple[str, float]:
    """Return the name and the least value, from 0 to 1. Raises BadInput."""
    name, _, least = text.partition("=")
    try:
        value = float(least)
    except ValueError:
        value = -1.0
    if name not in names or not 0 <= value <= 1:
        wanted = f"one of {', '.join(names)}, = and a number from 0 to 1"
        raise BadInput("a requirement that is none", "--require", text, wanted)
    return name, value
