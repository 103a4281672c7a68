"""Reads of one server: what it runs, holds, counts and replicates, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from repman.errors import LookFailed
from repman.inspection.session import Session
from repman.inspection.size import MOST_ROWS, TEXT, bounded, wished

SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")
_OURS = ", ".join(f"'{name}'" for name in SYSTEM_SCHEMAS)

_PROCESSES = f"""
SELECT ID, USER, HOST, DB, COMMAND, TIME, TIME_MS, STATE, LEFT(INFO, {TEXT}) AS INFO, PROGRESS, EXAMINED_ROWS
FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()"""

_TABLES = f"""
SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES
WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ({_OURS})
ORDER BY IFNULL(DATA_LENGTH, 0) + IFNULL(INDEX_LENGTH, 0) DESC, TABLE_SCHEMA, TABLE_NAME LIMIT %s"""

_LOCKS = """
SELECT THREAD_ID, LOCK_MODE, LOCK_DURATION, LOCK_TIME_MS, LOCK_TYPE, TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME
FROM information_schema.METADATA_LOCK_INFO ORDER BY THREAD_ID, LOCK_TYPE, TABLE_SCHEMA, TABLE_NAME LIMIT %s"""

_INNODB = {
    "queries_inside_innodb": re.compile(r"^(\d+) queries inside InnoDB", re.MULTILINE),
    "queries_in_queue": re.compile(r"queries inside InnoDB, (\d+) queries in queue", re.MULTILINE),
    "read_views_open_inside_innodb": re.compile(r"^(\d+) read views open inside InnoDB", re.MULTILINE),
    "history_list_lenght_inside_innodb": re.compile(r"^History list length (\d+)", re.MULTILINE),
}
"""Replication-manager's names for figures of ``SHOW ENGINE INNODB STATUS``, as it spells them."""


def processes(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Sessions on the server but this one, longest statement first."""
    limit = wished(arguments)
    return bounded(session.records(f"{_PROCESSES} ORDER BY TIME_MS DESC, ID LIMIT %s", limit + 1), limit)


def busy_processes(session: Session, most: int) -> list[dict[str, str | None]]:
    """Sessions that do something, longest first."""
    return session.records(f"{_PROCESSES} AND COMMAND <> 'Sleep' ORDER BY TIME_MS DESC, ID LIMIT %s", most)


def variables(session: Session) -> dict[str, str]:
    """Global variables by upper-case name, sorted."""
    return _named(session.rows("SHOW GLOBAL VARIABLES"))


def status(session: Session) -> dict[str, str]:
    """Global status by upper-case name, sorted."""
    return _named(session.rows("SHOW GLOBAL STATUS"))


def innodb(session: Session) -> dict[str, str]:
    """Four figures of InnoDB.

    Servers that limit no concurrency inside InnoDB (MariaDB since 10.6) tell of no queue: nothing waits in one, and
    what is inside are the transactions with a statement that runs.
    """
    text = session.rows("SHOW ENGINE INNODB STATUS")[0][2] or ""
    found = {name: match[1] for name, pattern in _INNODB.items() if (match := pattern.search(text))}
    if "queries_inside_innodb" not in found:
        running = "COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'RUNNING' AND trx_query IS NOT NULL"
        found |= {"queries_inside_innodb": session.value(running), "queries_in_queue": "0"}
    return {name: found[name] for name in _INNODB if name in found}


def tables(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Base tables outside of the system's schemas, biggest first."""
    limit = wished(arguments)
    return bounded(session.records(_TABLES, limit + 1), limit)


def schemas(session: Session) -> list[str]:
    """Names of the schemas that are not the system's."""
    named = (
        f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({_OURS}) ORDER BY 1 LIMIT %s"
    )
    return [name or "" for (name,) in session.rows(named, MOST_ROWS)]


def replication(session: Session) -> list[dict[str, str | None]]:
    """What the server replicates, by channel."""
    return session.records("SHOW ALL SLAVES STATUS")


def binary_log(session: Session) -> dict[str, str | None]:
    """File and position of its own binary log.  Raises LookFailed when it writes none."""
    found = session.records("SHOW MASTER STATUS")
    if not found:
        told = f"{session.target.name} writes no binary log: set log_bin in its configuration and restart it"
        raise LookFailed(told, "no-binary-log", "refused")
    return found[0]


def metadata_locks(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Metadata locks, from the plugin."""
    need_plugin(session, "METADATA_LOCK_INFO", "toggle-meta-data-locks")
    limit = wished(arguments)
    return bounded(session.records(_LOCKS, limit + 1), limit)


def response_times(session: Session) -> list[dict[str, str | None]]:
    """How many statements took how long, from the plugin."""
    need_plugin(session, "QUERY_RESPONSE_TIME", "toggle-query-response-time")
    return session.records("SELECT TIME, COUNT, TOTAL FROM information_schema.QUERY_RESPONSE_TIME")


def need_plugin(session: Session, name: str, action: str) -> None:
    """Raises LookFailed when the plugin is not active."""
    if not has_plugin(session, name):
        told = f"the plugin {name} is not active on {session.target.name}: switch it on with the action {action}"
        raise LookFailed(told, "plugin-missing", "refused")


def has_plugin(session: Session, name: str) -> bool:
    """Whether the plugin is active."""
    active = "COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_NAME = %s"
    return session.value(active, name) == "1"


def _named(rows: list[tuple[str | None, ...]]) -> dict[str, str]:
    return {name.upper(): value or "" for name, value in sorted(rows, key=lambda row: str(row[0]).upper()) if name}
