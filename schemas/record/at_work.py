"""What runs leave below <output>/state/ for people and for each other; labels need none of it."""

from typing import Literal

from pydantic import Field

from schemas.spec import Spec

Outcome = Literal["done", "failed", "wrong-input", "stopped"]


class AtWork(Spec):
    """state/at-work-<number>.json: a run that works on this output, as of its last beat."""

    run: str = Field(description="The submission's id, or host:process of a command run by hand.")
    kind: str = Field(description="The command.")
    host: str
    process: str = Field(description="Names the process on its machine for good; see pipeline.")
    begun: str = Field(description="UTC, as ISO 8601.")
    seen: str = Field(description="Of the last beat.")
    beats: int


class Ended(Spec):
    """state/ended.json: how the last run ended that could still say so."""

    run: str
    kind: str
    at: str = Field(description="UTC, as ISO 8601.")
    outcome: Outcome
    said: str = Field(description="One line: what was wrong; empty for done.")


class Submitted(Spec):
    """state/submitted.json: the last job that `vrp submit` sent for this output."""

    run: str
    kind: str
    at: str
    head: str | None = Field(default=None, description="The dashboard that it was sent to.")
