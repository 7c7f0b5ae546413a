"""Find the token that a Ray cluster asks of its users."""

import os
from pathlib import Path

from schemas.errors import BadInput

WANTED_TOKEN = (
    "the cluster's token in RAY_AUTH_TOKEN, in the file that RAY_AUTH_TOKEN_PATH names, or in "  # noqa: S105 - a sentence
    "~/.ray/auth_token"
)


def read_token() -> str:
    """Return the token from where Ray looks for it, in its order; "" where there is none."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    chosen = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(chosen) if chosen else Path.home() / ".ray" / "auth_token"
    if not path.is_file():
        if chosen:
            raise BadInput("a token file that does not exist", chosen, "nothing there", "a file")
        return ""
    return path.read_text().strip()
