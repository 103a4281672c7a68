"""Events and problems in the forms of the API: log objects, log lines, alerts."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from repman.model.problem import Problem, Severity
from repman.model.snapshot import Event, Snapshot


def newest_first(events: Iterable[Event]) -> list[Event]:
    """Events by falling time; those of the same moment keep the later one first."""
    return sorted(events, key=lambda event: -event.at)


def render_log(cluster: str, events: Iterable[Event]) -> dict[str, Any]:
    """A log object: newest first, UTC."""
    buffer = [
        {
            "group": cluster,
            "level": event.level,
            "timestamp": time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(event.at)),
            "text": event.text,
        }
        for event in newest_first(events)
    ]
    return {"buffer": buffer, "len": len(buffer), "line": len(buffer)}


def render_log_lines(cluster: str, events: Iterable[Event]) -> list[str]:
    """``topology/logs``: one text a line, newest first."""
    return [f"[{cluster}] [{event.code or 'general'}] {event.level} - {event.text}" for event in newest_first(events)]


def render_events(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Our own form: every field, newest first; `at` in Unix seconds."""
    return [
        {"at": event.at, "level": event.level, "text": event.text, "server": event.server, "code": event.code}
        for event in newest_first(events)
    ]


def render_alerts(snapshot: Snapshot, more: Iterable[Problem] = ()) -> dict[str, list[dict[str, str]]]:
    """``topology/alerts``: errors, and everything milder as warnings, each sorted by number.

    `more` are problems that the monitor does not see.
    """
    errors: list[dict[str, str]] = []
    warnings: list[dict[str, str]] = []
    for problem in (*snapshot.problems, *more):
        (errors if problem.severity is Severity.ERROR else warnings).append(render_problem(problem))
    return {
        "errors": sorted(errors, key=lambda alert: alert["number"]),
        "warnings": sorted(warnings, key=lambda alert: alert["number"]),
    }


def render_problem(problem: Problem) -> dict[str, str]:
    """An alert; beside the API's three keys our own code, severity and server."""
    number = problem.number or problem.code
    return {
        "number": f"{number}@{problem.server}" if problem.server else number,
        "desc": problem.sentence,
        "from": "SRV" if problem.server else "CLUSTER",
        "code": problem.code,
        "severity": problem.severity.value,
        "server": problem.server,
    }


def is_failing(snapshot: Snapshot) -> bool:
    """Whether an error is open; what ``/status`` tells as ``errors``."""
    return any(problem.severity is Severity.ERROR for problem in snapshot.problems)
