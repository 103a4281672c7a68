"""The server's log: what is told, and how."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from types import TracebackType

import pytest

from repman.link.percona.logs import TRACE, ConsoleFormatter, JsonFormatter
from repman.link.percona.narration import Narrator
from repman.link.status import Phase, Side, State, Status

IDLE = Status(State.IDLE, Phase.NONE, "", Side("source", "a:1", 1), Side("target", "b:1", 1))
CLONING = replace(IDLE, state=State.RUNNING, phase=Phase.CLONING, id="one", clone_started=True)
STEADY = replace(CLONING, phase=Phase.REPLICATING, clone_completed=True, initial_sync_completed=True, lag_seconds=4)


def told(*statuses: Status, every: float = 0.1) -> list[str]:
    """The sentences about a link that had these statuses one after the other."""
    narrator = Narrator(lambda: statuses[0])
    start = narrator._began
    looks = enumerate(statuses[1:], 1)
    return [line.text for number, status in looks for line in narrator.lines(status, start + number * every)]


def test_a_run_from_its_beginning_to_its_end() -> None:
    paused, ending, ended = (replace(STEADY, state=s) for s in (State.PAUSED, State.FINALIZING, State.FINALIZED))
    assert told(IDLE, CLONING, CLONING, STEADY, STEADY, paused, paused, STEADY, ending, ended, ended) == [
        "Cluster Replication started",
        "Initial Sync completed in 0s",
        "Change Replication paused",
        "Change Replication resumed",
    ]


def test_the_time_of_an_initial_sync_is_told_where_it_is_known() -> None:
    assert told(IDLE, CLONING, STEADY, every=4.0)[-1] == "Initial Sync completed in 4s"
    assert told(CLONING, STEADY) == ["Initial Sync completed"]


def test_the_lag_is_told_every_ten_seconds() -> None:
    assert told(STEADY, *[STEADY] * 9, every=2.6) == ["Lag Time: 4"] * 2
    paused = replace(STEADY, state=State.PAUSED)
    assert told(paused, *[paused] * 9, every=2.6) == []


def test_a_link_that_was_recovered_is_no_news() -> None:
    assert told(STEADY, STEADY) == []


def test_a_new_run_after_the_end_is_news() -> None:
    ended = replace(STEADY, state=State.FINALIZED)
    again = replace(CLONING, id="two")
    assert told(ended, again, replace(STEADY, id="two")) == [
        "Cluster Replication started",
        "Initial Sync completed in 0s",
    ]


def test_a_resume_after_a_failure_is_told() -> None:
    failed = replace(STEADY, state=State.FAILED, error="change replication: oplog history is lost")
    assert told(STEADY, failed, STEADY) == ["Change Replication resumed"]


def test_a_warning_is_told_once() -> None:
    warned = replace(STEADY, warnings=("db.t is a time series and is left out",))
    assert told(STEADY, warned, warned) == ["db.t is a time series and is left out"]


def test_looks_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    now = [IDLE]
    narrator = Narrator(lambda: now[0])
    now[0] = CLONING
    with caplog.at_level(logging.INFO):
        narrator.look()
        narrator.look()
    assert caplog.messages == ["Cluster Replication started"]


def record(level: int = logging.INFO, message: str = "GET /status", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("repman.link.percona.app", level, __file__, 1, message, (), None)
    made.created = 1767323045.678
    made.__dict__.update(extra)
    return made


def test_console() -> None:
    plain = ConsoleFormatter(colour=False)
    assert plain.format(record(s="http")) == "2026-01-02 03:04:05.678 INF s=http GET /status"
    assert plain.format(record(logging.ERROR, "failed\nhere", error="no space", ns="db.c")) == (
        '2026-01-02 03:04:05.678 ERR s=app failed | here ns=db.c error="no space"'
    )


@pytest.mark.parametrize(
    ("level", "short"),
    [(TRACE, "TRC"), (logging.DEBUG, "DBG"), (logging.WARNING, "WRN"), (logging.CRITICAL, "FTL"), (15, "DBG"), (1, "TRC")],
)  # fmt: skip
def test_levels(level: int, short: str) -> None:
    assert ConsoleFormatter(colour=False).format(record(level)).split()[2] == short


def test_colours_are_for_the_level_alone() -> None:
    assert ConsoleFormatter(colour=True).format(record(s="http")) == (
        "2026-01-02 03:04:05.678 \x1b[32mINF\x1b[0m s=http GET /status"
    )


def test_json() -> None:
    line = JsonFormatter().format(record(logging.WARNING, 'say "x"\n', s="repl", count=3, ns="db.c", error="why"))
    assert "\n" not in line
    assert json.loads(line) == {
        "level": "warn",
        "s": "repl",
        "time": "2026-01-02 03:04:05.678",
        "message": 'say "x"\n',
        "count": 3,
        "ns": "db.c",
        "error": "why",
    }


def test_accidents_are_one_line() -> None:
    info: tuple[type[BaseException], BaseException, TracebackType | None]
    try:
        raise ValueError("odd")
    except ValueError as error:
        info = (ValueError, error, sys.exc_info()[2])
    found = record(logging.ERROR, "accident")
    found.exc_info = info
    assert "ValueError: odd" in json.loads(JsonFormatter().format(found))["error"]
    told = ConsoleFormatter(colour=False).format(found)
    assert "\n" not in told
    assert "ValueError: odd" in told
