"""What a stream tells of itself in words: one JSON object a line, in the stream's own directory.

Each has the keys that earlier clients of the API read and those that later ones do.
"""

from __future__ import annotations

import itertools
import logging
import logging.handlers
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from repman.streams.api.view import LOG, directory_of
from repman.streams.job import Count, Phase
from repman.streams.registry import Stream

LEVELS = ("debug", "info", "warn", "error")
MOST_BYTES = 2 << 20
"""Of a stream's log; as much is kept of what came before."""
MOST_ENTRIES = 1000
STAGES = {Phase.STARTING: 1, Phase.STRUCTURE: 2, Phase.DATA: 3, Phase.FINISHING: 3, Phase.DONE: 4}
"""The numbers that clients draw as steps."""

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


class EntryFormatter(logging.Formatter):
    """Writes a record as one entry of a stream's log."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._nodes = {"source": stream.source_node, "target": stream.target_node}
        self._numbers = itertools.count(time.time_ns() // 1000)

    def format(self, record: logging.LogRecord) -> str:
        """One line; `record.side` is source or target where it is about one of them."""
        side = getattr(record, "side", "api")
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}: {record.exc_info[1]}"
        level = {"warning": "warn", "critical": "error"}.get(record.levelname.lower(), record.levelname.lower())
        entry = {
            "id": str(next(self._numbers)),
            "type": side,
            "nodeID": self._nodes.get(side, ""),
            "nodeId": self._nodes.get(side, ""),
            "streamId": self._stream.id,
            "msg": message,
            "message": message,
            "level": level,
            "ts": record.created,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "category": getattr(record, "category", "error" if level == "error" else "general"),
            **getattr(record, "also", {}),
        }
        return msgspec.json.encode(entry).decode()


def log_handler(data: Path, stream: Stream) -> logging.Handler:
    """Writes records of this process into the stream's log; raises OSError."""
    directory = directory_of(data, stream.id)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        directory / LOG, maxBytes=MOST_BYTES, backupCount=1, encoding="utf-8"
    )
    handler.setFormatter(EntryFormatter(stream))
    return handler


def newest(data: Path, stream: str, level: str = "", limit: int = MOST_ENTRIES) -> list[dict[str, Any]]:
    """The newest entries of a stream's log, oldest first; of that level or graver where one is given."""
    least = LEVELS.index(level) if level in LEVELS else 0
    found = [
        entry
        for entry in _entries(_lines(directory_of(data, stream) / LOG))
        if str(entry.get("level")) not in LEVELS or LEVELS.index(str(entry["level"])) >= least
    ]
    return found[-limit:]


def _lines(path: Path) -> Iterator[bytes]:
    for each in (path.with_name(f"{path.name}.1"), path):
        try:
            yield from each.read_bytes().splitlines()
        except FileNotFoundError:
            continue


def _entries(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue  # cut off when the process was killed
        if isinstance(entry, dict):
            yield entry


class Tail:
    """The entries that come into a log after this was made; follows it when it is rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = self._size()
        self._rest = b""

    def new(self) -> list[dict[str, Any]]:
        """Those that came since it was asked last."""
        if self._size() < self._place:
            self._place, self._rest = 0, b""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                came = file.read(MOST_BYTES)
        except FileNotFoundError:
            return []
        self._place += len(came)
        *lines, self._rest = (self._rest + came).split(b"\n")
        return list(_entries(lines))

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


def progress_line(description: str, phase: Phase) -> str:
    """The words of a step, in the form that clients take apart."""
    return f"[progress] {description} | STAGE:{STAGES[phase]}"


def stat_line(status: str, count: Count, rate: float, elapsed: float, failed: int) -> str:
    """The words of a report, in the form that clients take apart; `rate` in bytes per second, `elapsed` in seconds."""
    return (
        f"[stat] {status} | EVENTS:{count.rows:,} | SIZE:{size(count.bytes)} | RATE:{size(rate)}/s"
        f" | ELAPSED:{elapsed:.0f}s | FAILED:{failed}"
    )


def size(number: float) -> str:
    """Bytes for people, in powers of 1000."""
    for unit in _UNITS[:-1]:
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} {_UNITS[-1]}"
