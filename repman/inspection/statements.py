"""Statements by digest from the performance schema, and how the server would do, or does, one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from repman.errors import LookFailed
from repman.inspection.session import Record, Session
from repman.inspection.size import TEXT, bounded, wished

_SAMPLE = f"""(SELECT LEFT(SQL_TEXT, {TEXT}) FROM performance_schema.events_statements_history_long AS history
    WHERE history.DIGEST = digests.DIGEST AND history.CURRENT_SCHEMA <=> digests.SCHEMA_NAME
    ORDER BY TIMER_START DESC LIMIT 1)"""

_DIGESTS = f"""
SELECT SCHEMA_NAME, DIGEST, DIGEST_TEXT, {_SAMPLE} AS SAMPLE, COUNT_STAR, SUM_ERRORS, SUM_WARNINGS, SUM_TIMER_WAIT,
    AVG_TIMER_WAIT, MAX_TIMER_WAIT, SUM_ROWS_SENT, SUM_ROWS_EXAMINED, SUM_CREATED_TMP_DISK_TABLES,
    SUM_CREATED_TMP_TABLES, SUM_SELECT_SCAN, LAST_SEEN
FROM performance_schema.events_statements_summary_by_digest AS digests
WHERE DIGEST IS NOT NULL"""

_EXPLAINED = re.compile(r"\s*\(?\s*(SELECT|WITH|INSERT|UPDATE|DELETE|REPLACE|TABLE|VALUES)\b", re.IGNORECASE)
_READING = re.compile(r"\s*\(?\s*(SELECT|WITH|TABLE|VALUES)\b", re.IGNORECASE)
_LOCKING = re.compile(r"\b(INTO\s+(OUTFILE|DUMPFILE)|FOR\s+UPDATE|LOCK\s+IN\s+SHARE\s+MODE)\b", re.IGNORECASE)


def need_performance_schema(session: Session) -> None:
    """Raises LookFailed when the server has none."""
    if session.value("@@global.performance_schema") != "1":
        told = (
            f"the performance schema of {session.target.name} is off: set performance_schema=ON and restart the server"
        )
        raise LookFailed(told, "performance-schema-off", "refused")


def digests(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Statements by digest, those that took most time in all first."""
    need_performance_schema(session)
    limit = wished(arguments)
    return bounded(session.records(f"{_DIGESTS} ORDER BY SUM_TIMER_WAIT DESC, DIGEST LIMIT %s", limit + 1), limit)


def find(session: Session, digest: str) -> tuple[str, str] | None:
    """Schema and last text of the statements of that digest; None when there is none.  Raises LookFailed."""
    need_performance_schema(session)
    found = session.records(f"{_DIGESTS} AND DIGEST = %s ORDER BY LAST_SEEN DESC LIMIT 1", digest)
    if not found:
        return None
    if found[0]["sample"] is None:
        told = (
            "the server keeps no text of this statement: switch its history on with the action toggle-pfs-slow-query and "
            "wait until the statement comes again"
        )
        raise LookFailed(told, "no-text", "refused")
    return found[0]["schema_name"] or "", found[0]["sample"]


def explain(session: Session, schema: str, statement: str) -> list[Record]:
    """How the server would do the statement; it is not done.  Raises LookFailed."""
    if not _EXPLAINED.match(statement):
        raise LookFailed("only SELECT, INSERT, UPDATE, DELETE and REPLACE can be explained", "not-explained", "refused")
    return _asked(session, "EXPLAIN", schema, statement)


def analyze(session: Session, schema: str, statement: str) -> list[Record]:
    """Do the statement, throw its rows away, and tell what it took.  Raises LookFailed for one that might change data."""
    if not _READING.match(statement) or _LOCKING.search(statement):
        told = (
            "only a SELECT is analysed, because it is done for that; this statement might change something or lock it"
        )
        raise LookFailed(told, "not-a-read", "refused")
    return _asked(session, "ANALYZE", schema, statement)


def _asked(session: Session, verb: str, schema: str, statement: str) -> list[Record]:
    if schema:
        session.run("USE `{}`".format(schema.replace("`", "``")))
    session.run("SET SESSION TRANSACTION READ ONLY")
    return session.records(f"{verb} {statement.rstrip().rstrip(';')}")
