"""A job's log: our own lines are shown, all others kept for who asks."""

from datetime import UTC, datetime

from jobs.remote.job_log import Reader, mark

NOW = datetime(2026, 11, 25, 18, 48, 1, tzinfo=UTC)
LOG = "\n".join(
    [
        "2026-11-25 18:48:00,123\tINFO job_manager.py:581 -- Runtime env is setting up.",
        mark("304 of 800 images", NOW),
        "\x1b[36m(raylet)\x1b[0m A worker died or was killed while executing a task",
        mark("a node died (10.0.0.7); what was at work on it is done again elsewhere", NOW),
        "    @     0x7f  (unknown)",
    ]
)


def shown(verbose: bool, pieces: list[str]) -> str:
    reader = Reader(verbose)
    return "".join(reader.feed(piece) for piece in pieces) + reader.end()


def test_only_our_own_lines_are_shown_with_their_times() -> None:
    assert shown(False, [LOG]).splitlines() == [
        "11-25 18:48:01 304 of 800 images",
        "11-25 18:48:01 a node died (10.0.0.7); what was at work on it is done again elsewhere",
    ]


def test_a_log_that_comes_in_pieces_is_the_same_log() -> None:
    assert shown(False, list(LOG)) == shown(False, [LOG])


def test_every_line_is_shown_when_asked_for() -> None:
    assert len(shown(True, [LOG]).splitlines()) == len(LOG.splitlines())
