"""Write what happens to units and images as JSON lines, one file a process, among Ray's logs.

The files are <session>/logs/vrp-<worker>.log on the node of the process; Ray does not repeat them
on the driver's terminal, as it does what a worker prints. A line holds what it is given by name,
and nothing of the job's `storage`.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

import ray

# Ray rotates its own logs at 100 MB and keeps five; a unit's line takes 300 bytes.
MAX_BYTES = 100 * 2**20
KEPT_FILES = 5
ID_CHARACTERS = 16  # of Ray's 56: no two of a cluster are alike
_LOG = logging.getLogger("vrp")
# Else Python prints an event's bare name where there is no file for it.
_LOG.addHandler(logging.NullHandler())


class JsonLines(logging.Formatter):
    """A record as one line: time, level, event, the process's fields and the record's own."""

    def __init__(self, process: Mapping[str, str]) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
            **self._process,
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)


def start_log() -> None:
    """Send this process's lines to its file; once, and only within Ray."""
    if len(_LOG.handlers) > 1 or not ray.is_initialized():
        return
    context = ray.get_runtime_context()
    process = {"node": context.get_node_id()[:ID_CHARACTERS]}
    process["worker"] = context.get_worker_id()[:ID_CHARACTERS]
    folder = Path(context.get_temp_dir()) / context.get_session_name() / "logs"
    try:
        handler = RotatingFileHandler(
            folder / f"vrp-{process['worker']}.log",
            maxBytes=MAX_BYTES,
            backupCount=KEPT_FILES,
        )
    except OSError:
        return  # a full or foreign disk costs the lines, not the job
    handler.setFormatter(JsonLines(process))
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False  # else Ray would print every line on the driver


def log(event: str, fields: Mapping[str, object], level: int = logging.INFO) -> None:
    """Write one line."""
    _LOG.log(level, event, extra={"fields": fields})
