"""What streams look like in a terminal.  Pure: the API's documents in, rich renderables and words out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from repman.cli.link_screens import duration
from repman.cli.records import facts, size, table

Document = Mapping[str, Any]

OVER = ("STOPPED", "FINISHED", "FAILED")
_WINDOW = 10.0
"""Seconds over which rates are taken."""


class Rates:
    """How fast rows and bytes reach the target, from the last looks."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, int]] = deque()

    def look(self, stats: Document, now: float) -> None:
        """Note how far the stream is at that moment, in seconds of a clock that never goes back."""
        stat = target(stats)
        looks = self._looks
        if looks and stat["counter"] < looks[-1][1]:
            looks.clear()
        looks.append((now, stat["counter"], stat["sumDataSize"]))
        while len(looks) > 2 and looks[1][0] <= now - _WINDOW:
            looks.popleft()

    @property
    def rows(self) -> float:
        """Rows a second; 0 before the second look."""
        return self._rate(1)

    @property
    def bytes(self) -> float:
        """Bytes a second."""
        return self._rate(2)

    def _rate(self, which: int) -> float:
        if len(self._looks) < 2:
            return 0.0
        first, last = self._looks[0], self._looks[-1]
        seconds = last[0] - first[0]
        return float(last[which] - first[which]) / seconds if seconds > 0 else 0.0


def target(stats: Document) -> Document:
    """The numbers of the target's node."""
    found: list[Document] = [node["stat"] for node in stats["nodes"] if node["type"] == "target"]
    return found[0]


def estimated_rows(stats: Document) -> int:
    """How many rows there are, as far as it is known; 0 when it is not known of every table."""
    each = [int(one["estimatedRows"]) for one in stats["tables"]]
    return sum(each) if each and all(each) else 0


def share(stats: Document) -> float | None:
    """How much is copied, 0 to 1; None where nobody knows, or where changes are followed."""
    if stats["status"] == "FINISHED":
        return 1.0
    total = estimated_rows(stats)
    if stats["mode"] != "convert" or not total:
        return None
    return min(1.0, float(target(stats)["counter"]) / total)


def pace(stats: Document, rates: Rates) -> str:
    """Rows, bytes, rates, time left, lag."""
    stat = target(stats)
    words = [f"{stat['counter']:,} rows", size(stat["sumDataSize"])]
    running = stats["status"] == "RUNNING"
    if running and rates.rows > 0:
        words += [f"{rates.rows:,.0f} rows/s", f"{size(round(rates.bytes))}/s"]
        total = estimated_rows(stats)
        if stats["mode"] == "convert" and total > stat["counter"]:
            words.append(f"{duration((total - stat['counter']) / rates.rows)} left")
    if stats["lagSeconds"] is not None:
        words.append(f"lag {stats['lagSeconds']:.1f} s")
    if stat["failedCounter"]:
        words.append(f"{stat['failedCounter']:,} failed")
    return ", ".join(words)


def course(stats: Document) -> str:
    """State and phase."""
    going = stats["status"] in ("READY", "RUNNING")
    return f"{stats['status']}, {stats['phase']}" if going else str(stats["status"])


def streams(found: Iterable[Document]) -> RenderableType:
    """Streams, one a line."""
    return table(
        found,
        (
            ("ID", "id"),
            ("MODE", "mode"),
            ("STATUS", "status"),
            ("ROWS", lambda row: f"{row['counter']:,}"),
            ("SIZE", lambda row: size(row["sumDataSize"])),
            ("LAG", lambda row: "" if row["lagSeconds"] is None else f"{row['lagSeconds']:.1f} s"),
            ("STARTED", lambda row: str(row["started"])[:19].replace("T", " ")),
            ("CONFIG", "configID"),
            ("ERROR", "error"),
        ),
        "no streams",
    )


def stream(stats: Document) -> RenderableType:
    """One stream with all that is known of it."""
    known = {
        "stream": stats["streamID"],
        "config": stats["configID"],
        "mode": stats["mode"],
        "status": course(stats),
        "progress": pace(stats, Rates()),
        "running": duration(stats["elapsedSeconds"]),
        "position": stats["position"],
        "reason": stats["reason"],
        "error": stats["error"],
    }
    parts: list[RenderableType] = [facts({name: value for name, value in known.items() if value})]
    if stats["tables"]:
        parts += [Text(), tables(stats["tables"])]
    parts += [Text(f"warning: {each}", "yellow") for each in stats["warnings"]]
    parts += [Text(f"error: {each}", "red") for each in stats["errors"]]
    return Group(*parts)


def tables(found: Iterable[Document]) -> RenderableType:
    """The tables of a stream, one a line."""
    return table(
        found,
        (
            ("TABLE", "name"),
            ("STATE", "state"),
            ("ROWS", lambda row: f"{row['events']:,}"),
            ("ESTIMATED", lambda row: f"{row['estimatedRows']:,}" if row["estimatedRows"] else ""),
            ("SIZE", lambda row: size(row["size"])),
            ("FAILED", lambda row: f"{row['failed']:,}" if row["failed"] else ""),
        ),
    )


def connections(found: Iterable[Document]) -> RenderableType:
    """Connections, one a line."""
    return table(
        found,
        (
            ("ID", "id"),
            ("NAME", "name"),
            ("TYPE", "type"),
            ("ADDRESS", lambda row: f"{row['username']}@{row['host']}:{row['port']}/{row['database']}"),
            ("TLS", lambda row: row["ssl"]["mode"]),
        ),
        "no connections",
    )


def configs(found: Iterable[Document]) -> RenderableType:
    """Stream configurations, one a line."""
    return table(
        found,
        (
            ("ID", "id"),
            ("NAME", "name"),
            ("MODE", "mode"),
            ("SOURCE", "source"),
            ("TARGET", "target"),
            ("TABLES", lambda row: len(row["tables"])),
        ),
        "no stream configurations",
    )


def comparison(found: Document) -> RenderableType:
    """What a comparison of source and target has found."""
    known = {"status": found["status"], "rows repaired": found["repairedRows"], "error": found["error"]}
    lines = [Text(each, "yellow") for each in found["differences"]]
    return Group(facts({name: value for name, value in known.items() if value}), *lines)
