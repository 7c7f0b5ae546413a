"""Texts NAME=LEAST become what figures must reach for a command to end with 0."""

from collections.abc import Sequence

from schemas.errors import BadInput


def read_requirements(texts: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Return the least value of each name, from 0 to 1. Raises BadInput, for a name twice too."""
    least: dict[str, float] = {}
    for text in texts:
        name, value = _read(text, names)
        if name in least:
            got = f"{name}={least[name]:g} and {text}"
            raise BadInput("two requirements of one figure", "--require", got, f"{name} once")
        least[name] = value
    return least


def _read(text: str, names: Sequence[str]) -> tuple[str, float]:
    name, _, least = text.partition("=")
    try:
        value = float(least)
    except ValueError:
        value = -1.0
    if name not in names or not 0 <= value <= 1:
        wanted = f"one of {', '.join(names)}, = and a number from 0 to 1"
        raise BadInput("a requirement that is none", "--require", text, wanted)
    return name, value
