"""What links look like in a terminal.  Pure: the API's documents in, rich renderables and words out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from repman.cli.records import facts, moment, plain, size, table

Document = Mapping[str, Any]

_STYLE = {"running": "green", "finalized": "green", "paused": "yellow", "idle": "dim", "disabled": "dim"}
_GOING = ("running", "finalizing", "reversing")
_WINDOW = 10.0
"""Seconds over which rates are taken."""


class Rates:
    """How fast bytes are copied and events applied, from the last looks."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, int]] = deque()

    def look(self, link: Document, now: float) -> None:
        """Note how far the link is at that moment, in seconds of a clock that never goes back."""
        looks = self._looks
        if looks and (link["copied_bytes"] < looks[-1][1] or link["events_applied"] < looks[-1][2]):
            looks.clear()  # begun anew
        looks.append((now, link["copied_bytes"], link["events_applied"]))
        while len(looks) > 2 and looks[1][0] <= now - _WINDOW:
            looks.popleft()

    @property
    def bytes(self) -> float:
        """Bytes a second; 0 before the second look."""
        return self._rate(1)

    @property
    def events(self) -> float:
        """Events a second."""
        return self._rate(2)

    def _rate(self, which: int) -> float:
        first, last = (self._looks[0], self._looks[-1]) if self._looks else ((0.0, 0, 0), (0.0, 0, 0))
        seconds = last[0] - first[0]
        return float(last[which] - first[which]) / seconds if seconds > 0 else 0.0


def share(link: Document) -> float | None:
    """How much is copied, 0 to 1; None while nobody knows."""
    return None if link["progress"] is None else float(link["progress"])


def course(link: Document) -> str:
    """State and phase in a word or two."""
    going = link["state"] in _GOING and link["phase"] != "none"
    return f"{link['state']}, {link['phase']}" if going else str(link["state"])


def pace(link: Document, rates: Rates) -> str:
    """How it gets on: bytes, rate and time left while it copies, then lag and events."""
    if not link["clone_completed"]:
        if not link["total_bytes"]:
            return ""
        words = [f"{size(link['copied_bytes'])} of {size(link['total_bytes'])}"]
        if rates.bytes > 0:
            left = (link["total_bytes"] - link["copied_bytes"]) / rates.bytes
            words += [f"{size(rates.bytes)}/s", f"{duration(left)} left"]
        return ", ".join(words)
    words = [f"{size(link['copied_bytes'])} copied"]
    if link["lag_seconds"] is not None:
        words.append(f"lag {link['lag_seconds']} s")
    if link["state"] == "running":
        words.append(f"{rates.events:.0f} events/s")
    if link["catch_up_seconds"]:
        words.append(f"caught up in {duration(link['catch_up_seconds'])}")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Seconds as ``h:mm:ss``, or ``m:ss`` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def links(found: Iterable[Document]) -> RenderableType:
    """Links, one a line."""
    return table(
        found,
        (
            ("NAME", "name"),
            ("STATE", course),
            ("SOURCE", lambda link: link["source"]["address"]),
            ("TARGET", lambda link: link["target"]["address"]),
            ("COPIED", lambda link: "" if share(link) is None else f"{share(link):.0%}"),
            ("LAG", lambda link: "" if link["lag_seconds"] is None or not link["up"] else f"{link['lag_seconds']} s"),
            ("API", lambda link: f"{link['dialect']} {link['listens']}".strip()),
            ("ERROR", "error"),
        ),
        "no links",
    )


def link(document: Document) -> RenderableType:
    """One link with all that is known of it."""
    known = {
        "from": _side(document["source"]),
        "to": _side(document["target"]),
        "api": f"{document['dialect']} at {document['listens']}" if document["listens"] else document["dialect"],
        "told at": "" if document["up"] else moment(document["at"]),
        "before": "" if document["up"] else document["last_state"],
        "progress": pace(document, Rates()),
        "collections": _of(document, "collections_done", "collections_total"),
        "indexes": _of(document, "indexes_built", "indexes_total"),
        "events": f"{document['events_read']} read, {document['events_applied']} applied",
        "applied up to": document["last_applied"],
        "consistent": plain(document["initial_sync_completed"]),
        "oplog left": "" if document["oplog_seconds_left"] is None else duration(document["oplog_seconds_left"]),
        "clients may write": plain(document["can_write"]),
        "reversible": plain(document["reversible"]),
    }
    style = _STYLE.get(document["state"], "bold red" if document["state"] in ("failed", "down") else "cyan")
    lines: list[RenderableType] = [Text(f"link {document['name']}: ").append(course(document), style)]
    lines.append(facts({name: value for name, value in known.items() if value}))
    if document["error"]:
        lines.append(Text(document["error"], "red"))
    lines += [Text(f"warning: {warning}", "yellow") for warning in document["warnings"]]
    lines += [
        Text(f"index {each['name']} of {each['namespace']}: {each['kind']}: {each['reason']}", "yellow")
        for each in document["unsuccessful_indexes"]
    ]
    return Group(*lines)


def _side(side: Document) -> str:
    ping = side["ping_ms"]
    told = "" if ping is None else " (does not answer)" if ping < 0 else f" ({ping} ms)"
    return f"{side['name']} {side['address']}{told}"


def _of(document: Document, done: str, total: str) -> str:
    return f"{document[done]} of {document[total]}" if document[total] else ""
