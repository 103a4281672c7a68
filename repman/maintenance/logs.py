"""Jobs that fetch a server's logs into repman's data directory, where they outlive the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance.course import Course
from repman.maintenance.session import session
from repman.maintenance.surroundings import Surroundings
from repman.model.job import Job, JobKind

MOST = 16 * 1024 * 1024
"""Bytes kept of each log: its end."""
_ROWS = 10_000
_SLOW = (
    "SELECT start_time, user_host, TIME_TO_SEC(query_time), TIME_TO_SEC(lock_time), rows_sent, rows_examined, db, "
    "CONVERT(sql_text USING utf8mb4) FROM mysql.slow_log ORDER BY start_time DESC LIMIT %s"
)


def place_of(datadir: Path, cluster: str, server: str, kind: JobKind) -> Path:
    """Where a server's fetched log is."""
    return datadir / "logs" / cluster / server.replace(":", "_").strip("[]") / f"{kind.value}.log"


def fetch(job: Job, course: Course, around: Surroundings) -> dict[str, object]:
    """Fetch the end of a log of the job's server.  Raises JobFailed."""
    target = place_of(around.datadir, around.name, job.server, job.kind)
    course.step(f"fetching the {job.kind} of {around.label(job.server)}")
    chunks = _error_log(around, job.server) if job.kind is JobKind.ERROR_LOG else _slow_log(around, job.server)
    draft = target.with_suffix(".new")
    size = 0
    try:
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                size += len(chunk)
                course.moved(len(chunk))
        draft.replace(target)
    except OSError as error:
        raise JobFailed(f"{target} cannot be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return {"file": str(target), "size": size}


def _error_log(around: Surroundings, server: str) -> Iterator[bytes]:
    return _end_of(around.places.get(server).error_log)


def _slow_log(around: Surroundings, server: str) -> Iterator[bytes]:
    """From the table when the server writes one, else from its file."""
    with session(around.account(server)) as at:
        if at.value("@@global.slow_query_log") != "1":
            raise JobFailed(f"{around.label(server)} writes no slow-query log: switch its slow_query_log on")
        if "TABLE" in at.value("@@global.log_output"):
            return iter([_line(row) for row in reversed(at.rows(_SLOW, _ROWS))])
        name = at.value("@@global.slow_query_log_file")
    return _end_of(around.places.get(server).datadir / name)


def _end_of(path: Path) -> Iterator[bytes]:
    """The last `MOST` bytes of a file, beginning with a whole line."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST:
                file.seek(size - MOST)
                file.readline()
            while chunk := file.read(1 << 20):
                yield chunk
    except OSError as error:
        raise JobFailed(f"{path} cannot be read: {error}") from error


def _line(row: tuple[object, ...]) -> bytes:
    at, who, seconds, locked, sent, examined, schema, statement = row
    return (
        f"# Time: {at}\n# User@Host: {who}\n# Query_time: {seconds}  Lock_time: {locked}  Rows_sent: {sent}  "
        f"Rows_examined: {examined}\nuse {schema};\n{statement};\n"
    ).encode()
