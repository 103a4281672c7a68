"""Jobs that keep tables in order: OPTIMIZE and ANALYZE, one table after the other, past the binary log."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from repman.errors import JobFailed
from repman.maintenance.course import Course
from repman.maintenance.logical import SYSTEM
from repman.maintenance.session import Session, identifier, interruptible
from repman.maintenance.surroundings import Surroundings
from repman.model.job import Job, JobKind

_STATEMENT_SECONDS = 24 * 3600.0
_TURN_POLL = 0.5


class Turns:
    """One server of a cluster at a time: what slows a server down must not slow all of them."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._making = threading.Lock()

    @contextlib.contextmanager
    def mine(self, course: Course, cluster: str) -> Iterator[None]:
        """Wait for this cluster's turn.  Raises JobFailed when the job was told to end."""
        with self._making:
            lock = self._locks.setdefault(cluster, threading.Lock())
        while not lock.acquire(timeout=_TURN_POLL):
            course.step("waiting for the same work on another server of the cluster")
        try:
            yield
        finally:
            lock.release()


def keep_up(job: Job, course: Course, around: Surroundings, turns: Turns) -> dict[str, object]:
    """OPTIMIZE or ANALYZE every table of the job's server.  Raises JobFailed with the tables that were not done."""
    verb = "OPTIMIZE" if job.kind is JobKind.OPTIMIZE else "ANALYZE"
    account = around.account(job.server)
    with turns.mine(course, around.name), interruptible(course, account, _STATEMENT_SECONDS) as at:
        tables = user_tables(at)
        complaints = []
        course.step(f"{verb} of {len(tables)} tables", len(tables), stall=_STATEMENT_SECONDS)
        for schema, table in tables:
            course.step_text = f"{verb} TABLE {schema}.{table}"
            rows = at.rows(f"{verb} NO_WRITE_TO_BINLOG TABLE {identifier(schema)}.{identifier(table)}")
            complaints += [f"{row[0]}: {row[3]}" for row in rows if str(row[2]).lower() == "error"]
            course.moved(1)
    if complaints:
        raise JobFailed(f"{len(complaints)} of {len(tables)} tables were not done: {'; '.join(complaints[:5])}")
    return {"tables": len(tables)}


def user_tables(at: Session) -> list[tuple[str, str]]:
    """All tables that are not the server's own.  Raises JobFailed."""
    rows = at.rows(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN %s ORDER BY 1, 2",
        tuple(SYSTEM),
    )
    return [(str(schema), str(table)) for schema, table in rows]
