"""What jobs and backups look like in a terminal.  Pure: the API's documents in, rich renderables out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from repman.cli.records import facts, moment, plain, size, table
from repman.model.job import JobKind, JobState

Document = Mapping[str, Any]

_STYLE = {JobState.DONE: "green", JobState.RUNNING: "cyan", JobState.WAITING: "dim"}
_COUNTED = (JobKind.OPTIMIZE, JobKind.ANALYZE, JobKind.CHECKSUM)
"""Kinds that count tables; the others count bytes."""


def ended(job: Document) -> bool:
    """Whether nothing more will come of it."""
    return JobState(job["state"]).ended


def amount(job: Document) -> str:
    """How much it has done of how much; empty while nobody can know it."""
    done, total = int(job["bytes_done"]), int(job["bytes_total"])
    if not done and not total:
        return ""
    shown = str if job["kind"] in _COUNTED else size
    return f"{shown(done)} of {shown(total)}" if total else shown(done)


def title(job: Document) -> str:
    """What the job is about."""
    method = job["arguments"].get("method", "")
    about = f" by {method}" if method else ""
    return f"{job['kind']}{about} of {job['server'] or job['cluster']}"


def seconds(job: Document) -> float | None:
    """How long it ran, None while it does."""
    return job["ended_at"] - job["started_at"] if job["ended_at"] and job["started_at"] else None


def jobs(found: Iterable[Document]) -> RenderableType:
    """Jobs, one a line."""
    return table(
        found,
        (
            ("ID", "id"),
            ("KIND", "kind"),
            ("SERVER", "server"),
            ("STATE", "state"),
            ("PROGRESS", lambda job: "" if job["progress"] is None else f"{job['progress']:.0%}"),
            ("BEGUN", lambda job: moment(job["started_at"] or job["created_at"])),
            ("SECONDS", seconds),
            ("USER", "user"),
            ("STEP", lambda job: job["error"] or job["step"]),
        ),
        "no jobs",
    )


def job(document: Document) -> RenderableType:
    """One job with all that is known of it."""
    state = JobState(document["state"])
    lines: list[RenderableType] = [Text(f"{title(document)}: ").append(state.value, _STYLE.get(state, "bold red"))]
    known = {
        "id": document["id"],
        "asked by": document["user"],
        "begun": moment(document["started_at"] or document["created_at"]),
        "ended": moment(document["ended_at"]),
        "seconds": plain(seconds(document)),
        "step": document["step"],
        "done": amount(document),
        **{name: plain(value) for name, value in document["result"].items()},
    }
    lines.append(facts({name: value for name, value in known.items() if value}))
    if document["error"]:
        lines.append(Text(document["error"], "red"))
    return Group(*lines)


def backups(found: Iterable[Document]) -> RenderableType:
    """Backups, one a line."""
    return table(
        found,
        (
            ("ID", "id"),
            ("METHOD", "method"),
            ("SOURCE", "source"),
            ("BEGUN", lambda backup: moment(backup["started_at"])),
            ("SIZE", lambda backup: size(backup["size"])),
            ("DATA", lambda backup: size(backup["data_bytes"])),
            ("TOOL", "tool"),
            ("GTID", "gtid"),
        ),
        "no backups",
    )
