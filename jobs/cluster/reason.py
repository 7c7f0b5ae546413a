"""Turn the error that ended a run into one line of why: a worker's own, not Ray's around it."""

import re

# As in a traceback: a built-in error by its name, any other with its module before it.
_RAISED = re.compile(r"(?:\w+\.)*(\w+): .+")
_BUILT_IN = re.compile(r"\w+(Error|Exception): ")
# Ray Data wraps what a worker raised in it, and adds advice that is about Ray alone.
_WRAPPER = "UserCodeException"


def reason_of(error: BaseException) -> str:
    """Return `XyzError: its message`: what a worker raised where it was one, else the error."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception) and type(cause).__name__ != _WRAPPER:
        return _named(cause)
    lines = str(error).strip().splitlines()
    for number, line in reversed(list(enumerate(lines))):
        if (raised := _raised(line)) is not None:
            return ", ".join([raised, *_indented(lines[number + 1 :])])
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"


def _named(error: BaseException) -> str:
    return ", ".join(map(_one_spaced, f"{type(error).__name__}: {error}".splitlines()))


def _raised(line: str) -> str | None:
    """Return a traceback's line of what was raised, without its module; None for another line."""
    found = _RAISED.fullmatch(line)
    if found is None or found[1] == _WRAPPER:
        return None
    is_error = found.start(1) > 0 or _BUILT_IN.match(line)
    return line[found.start(1) :] if is_error else None


def _indented(lines: list[str]) -> list[str]:
    """Return the first lines that are indented: where, got and wanted of an error of ours."""
    end = next((at for at, line in enumerate(lines) if line[:1] != " "), len(lines))
    return [_one_spaced(line) for line in lines[:end]]


def _one_spaced(line: str) -> str:
    return " ".join(line.split())
