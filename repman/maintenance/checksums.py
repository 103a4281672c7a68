"""The job that compares all tables of all servers, while writes go on.

A replica's table is compared with the writer's only when the writer's had the same checksum before and after: then
the replica, which had caught up in between, must have it, too.  A table that never stands still long enough is
told as such, never as different.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from repman.errors import JobFailed
from repman.maintenance.course import Course
from repman.maintenance.session import Session, identifier, interruptible
from repman.maintenance.surroundings import Surroundings
from repman.maintenance.upkeep import user_tables
from repman.model.job import Job

_TRIES = 5
_STATEMENT_SECONDS = 3600.0
_CATCH_UP = 30
"""Whole seconds that a replica may take to catch up for one table."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A table that is not the same everywhere."""

    table: str
    server: str
    writer_checksum: str
    checksum: str


def compare(job: Job, course: Course, around: Surroundings) -> dict[str, object]:
    """Compare; the result lists what differs and what could not be compared.  Raises JobFailed."""
    snapshot = around.snapshot()
    if not snapshot.writer or not snapshot.writer_alive:
        raise JobFailed("There is no living writer to compare the replicas with.")
    replicas = [
        view.policy.address
        for view in snapshot.servers
        if view.policy.address != snapshot.writer and view.seen.answered and view.seen.links and not view.held
    ]
    if not replicas:
        raise JobFailed("There is no replica that answers, so there is nothing to compare.")
    different: list[Difference] = []
    busy: list[str] = []
    with contextlib.ExitStack() as open_:
        writer = open_.enter_context(interruptible(course, around.account(snapshot.writer), _STATEMENT_SECONDS))
        others = {
            each: open_.enter_context(interruptible(course, around.account(each), _STATEMENT_SECONDS))
            for each in replicas
        }
        tables = user_tables(writer)
        course.step(f"comparing {len(tables)} tables", len(tables) * len(others))
        for schema, table in tables:
            name = f"{identifier(schema)}.{identifier(table)}"
            for address, replica in others.items():
                course.step_text = f"comparing {schema}.{table} with {around.label(address)}"
                found = _compare(writer, replica, name)
                if found is None:
                    busy.append(f"{schema}.{table} on {around.label(address)}")
                elif found[0] != found[1]:
                    different.append(Difference(f"{schema}.{table}", address, *found))
                course.moved(1)
    return {
        "tables": len(tables),
        "servers": [snapshot.writer, *replicas],
        "different": [
            {
                "table": each.table,
                "server": each.server,
                "writer_checksum": each.writer_checksum,
                "checksum": each.checksum,
            }
            for each in different
        ],
        "not_compared": busy,
        "equal": not different,
    }


def _compare(writer: Session, replica: Session, table: str) -> tuple[str, str] | None:
    """Both checksums; None when the writer's table did not stand still, or the replica did not catch up."""
    for _ in range(_TRIES):
        before = _checksum(writer, table)
        position = writer.value("@@gtid_binlog_pos")
        if str(replica.rows("SELECT MASTER_GTID_WAIT(%s, %s)", position, _CATCH_UP)[0][0]) != "0":
            return None
        there = _checksum(replica, table)
        if before == there or _checksum(writer, table) == before:
            return before, there
    return None


def _checksum(at: Session, table: str) -> str:
    """NULL (no such table) is a checksum of its own."""
    return str(at.rows(f"CHECKSUM TABLE {table}")[0][1])
