"""The server's log: lines for a console, or one JSON object a line, with the names that log readers know."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

import click

TRACE = 5
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
_SHORT = {"trace": "TRC", "debug": "DBG", "info": "INF", "warn": "WRN", "error": "ERR", "fatal": "FTL"}
_COLOURS = {"trace": "blue", "debug": None, "info": "green", "warn": "yellow", "error": "red", "fatal": "red"}
_FIELDS = ("ns", "op", "op_ts", "count", "size_bytes", "elapsed_secs")
"""Attributes of a record, given with ``extra``, that are told beside its message."""


def start_logging(level: str, as_json: bool, colour: bool, stream: TextIO) -> None:
    """Send every record of this process from `level` on, one of `LEVELS`, to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else ConsoleFormatter(colour))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    # They tell of every command and every request.
    for noisy in ("pymongo", "waitress", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class ConsoleFormatter(logging.Formatter):
    """``2026-01-31 15:04:05.000 INF s=http GET /status``; times in UTC."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the record."""
        level = _level(record)
        fields = [f"{name}={_plain(value)}" for name, value in _extra(record, self).items()]
        words = [_moment(record), self._painted(level), f"s={_scope(record)}", record.getMessage(), *fields]
        return " | ".join(line.rstrip() for line in " ".join(words).splitlines() if line.strip())

    def _painted(self, level: str) -> str:
        return click.style(_SHORT[level], fg=_COLOURS[level]) if self._colour else _SHORT[level]


class JsonFormatter(logging.Formatter):
    """``{"level":"info","s":"http","time":"2026-01-31 15:04:05.000","message":"GET /status"}``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        found = {"level": _level(record), "s": _scope(record), "time": _moment(record), **_extra(record, self)}
        return json.dumps({**found, "message": record.getMessage()}, separators=(",", ":"), default=str)


def _extra(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, object]:
    found = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
    if hasattr(record, "error"):
        found["error"] = record.error
    elif record.exc_info:
        found["error"] = formatter.formatException(record.exc_info)
    return found


def _level(record: logging.LogRecord) -> str:
    return max(
        (name for name, value in LEVELS.items() if value <= record.levelno), key=LEVELS.__getitem__, default="trace"
    )


def _scope(record: logging.LogRecord) -> str:
    """The part of the program that tells; the last word of its logger's name unless it has one of its own."""
    return str(getattr(record, "s", "") or record.name.rpartition(".")[2])


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _plain(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text
