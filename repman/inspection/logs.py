"""Error log and slow-query log of a server: from its file when that is within reach, else from where it can be had.

The file of a server that repman runs on this host is read directly, also when the server is down; that of a host
with SSH is fetched.  Of other servers there is the table ``mysql.slow_log``, and the copy that a job has fetched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from repman.errors import LookFailed
from repman.inspection.digest import LONGEST, Entry, digest, group, pattern
from repman.inspection.hosts import MOST, Fetch
from repman.inspection.logfiles import error_log, slow_log
from repman.inspection.session import Session
from repman.inspection.size import TEXT, bounded, wished
from repman.maintenance.logs import place_of
from repman.maintenance.places import Place
from repman.model.job import JobKind

_TAIL = 2 * 1024 * 1024
"""Bytes of a log that are read: its end."""
_PATTERNS = 50
_ENTRIES, _FOUND = 10_000, 5000
_TABLE = """
SELECT DATE_FORMAT(CONVERT_TZ(start_time, @@session.time_zone, '+00:00'), '%%Y-%%m-%%d %%H:%%i:%%s') AS at, user_host,
    TIME_TO_SEC(query_time) AS seconds, TIME_TO_SEC(lock_time) AS locked, rows_sent, rows_examined, db,
    LEFT(CONVERT(sql_text USING utf8mb4), %s) AS statement
FROM mysql.slow_log ORDER BY start_time DESC LIMIT %s"""


class Logs:
    """Where the logs of one server are."""

    def __init__(
        self, datadir: Path, cluster: str, address: str, place: Place | None, fetch: Fetch | None = None
    ) -> None:
        self._place = place
        self._fetch = fetch
        self._address = address
        self._copies = {
            kind: place_of(datadir, cluster, address, kind) for kind in (JobKind.ERROR_LOG, JobKind.SLOW_QUERY_LOG)
        }

    def errors(self, arguments: Mapping[str, str], session: Session | None = None) -> dict[str, Any]:
        """Messages of the error log, newest first; only the server tells where it is on another host.

        Raises LookFailed.
        """
        limit = wished(arguments)
        text, origin = self._error_text(session)
        lines = error_log(text)
        return {**bounded([asdict(line) for line in reversed(lines)], limit), "from": origin}

    def slow(self, session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
        """Statements of the slow-query log, newest first, each with its digest.  Raises LookFailed."""
        limit = wished(arguments)
        entries, origin = self._slow_entries(session, limit + 1)
        rows = [
            {**asdict(entry), "digest": digest(entry.schema, entry.statement), "pattern": pattern(entry.statement)}
            for entry in entries
        ]
        return {**bounded(rows, limit), "from": origin}

    def digests(self, session: Session) -> dict[str, Any]:
        """The patterns of the slow-query log that took most time.  Raises LookFailed."""
        entries, origin = self._slow_entries(session, _ENTRIES, LONGEST)
        rows = [asdict(found) for found in group(entries)]
        return {**bounded(rows, _PATTERNS), "from": origin}

    def find(self, session: Session, wanted: str) -> Entry | None:
        """The last statement of that digest in the slow-query log.  Raises LookFailed."""
        entries, _ = self._slow_entries(session, _FOUND)
        return next((entry for entry in entries if digest(entry.schema, entry.statement) == wanted), None)

    def _error_text(self, session: Session | None) -> tuple[str, str]:
        if self._place is not None:
            return _end_of(self._place.error_log), "file"
        if self._fetch is not None and session is not None:
            name = session.value("@@global.log_error")
            if not name:
                told = f"{session.target.name} writes its errors to its standard error: set log_error to a file"
                raise LookFailed(told, "no-log", "refused")
            return self._fetched(session, name), "file over SSH"
        return self._copy(JobKind.ERROR_LOG, "error log")

    def _slow_entries(self, session: Session, most: int, characters: int = TEXT) -> tuple[list[Entry], str]:
        """Newest first."""
        output = session.value("@@global.log_output")
        if "TABLE" in output:
            return [_entry(row) for row in session.records(_TABLE, characters, most)], "table"
        if "NONE" in output:
            told = f"{session.target.name} writes its logs nowhere (log_output is NONE): use toggle-slow-query-table"
            raise LookFailed(told, "no-log", "refused")
        if self._place is not None:
            path = self._place.datadir / session.value("@@global.slow_query_log_file")
            if not path.exists():
                return [], "file"
            text, origin = _end_of(path), "file"
        elif self._fetch is not None:
            text, origin = self._fetched(session, session.value("@@global.slow_query_log_file")), "file over SSH"
        else:
            text, origin = self._copy(JobKind.SLOW_QUERY_LOG, "slow-query log")
        return list(slow_log(text))[::-1][:most], origin

    def _fetched(self, session: Session, name: str) -> str:
        assert self._fetch is not None
        path = str(Path(session.value("@@global.datadir")) / name)
        return _whole_lines(self._fetch(path, session.deadline.left()), MOST)

    def _copy(self, kind: JobKind, name: str) -> tuple[str, str]:
        path = self._copies[kind]
        if not path.exists():
            more = ", or let the server write it into a table: toggle-slow-query-table" * (
                kind is JobKind.SLOW_QUERY_LOG
            )
            raise LookFailed(
                f"the {name} of {self._address} is a file on its host, which repman does not reach, and no job has fetched "
                f"a copy: set onpremise-ssh{more}",
                "no-copy",
                "refused",
            )
        fetched = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime))
        return _end_of(path), f"copy of {fetched}"


def _entry(row: Mapping[str, str | None]) -> Entry:
    told = {name: value or "" for name, value in row.items()}
    return Entry(
        at=told["at"],
        user=told["user_host"].partition("[")[0],
        schema=told["db"],
        seconds=float(told["seconds"] or 0),
        locked=float(told["locked"] or 0),
        sent=int(told["rows_sent"] or 0),
        examined=int(told["rows_examined"] or 0),
        statement=told["statement"],
    )


def _end_of(path: Path) -> str:
    """The last `_TAIL` bytes of a file, beginning with a whole line.  Raises LookFailed."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL))
            return _whole_lines(file.read(_TAIL), _TAIL)
    except OSError as error:
        told = f"{path} cannot be read ({error.strerror}): give repman's account the right to"
        raise LookFailed(told, "unreadable") from error


def _whole_lines(end: bytes, most: int) -> str:
    """The end of a file without the line that was cut."""
    whole = end.partition(b"\n")[2] if len(end) >= most else end
    return whole.decode("utf-8", "replace")
