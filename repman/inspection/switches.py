"""Small acts on one server that touch neither its replication nor whether it takes writes.

Sessions of these acts write nothing to a binary log (`session(..., unlogged=True)`), and statements that a server would
log in spite of that carry their own LOCAL.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from repman.errors import LookFailed
from repman.inspection.reads import has_plugin
from repman.inspection.session import Session
from repman.inspection.statements import need_performance_schema

_LONGEST = 31_536_000.0
"""Seconds: the most that ``long_query_time`` takes."""
_POLL = 0.2
_CONSUMERS = ("events_statements_current", "events_statements_history", "events_statements_history_long")


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that is on or off."""

    is_on: Callable[[Session], bool]
    turn: Callable[[Session, bool], None]


def _variable(name: str) -> Switch:
    return Switch(
        lambda session: session.value(f"@@global.{name}") == "1",
        lambda session, on: session.run(f"SET GLOBAL {name} = {'ON' if on else 'OFF'}"),
    )


def _logs_into_table(session: Session) -> bool:
    return "TABLE" in session.value("@@global.log_output")


def _log_into_table(session: Session, on: bool) -> None:
    session.run(f"SET GLOBAL log_output = '{'TABLE' if on else 'FILE'}'")


def _keeps_history(session: Session) -> bool:
    need_performance_schema(session)
    kept = "COUNT(*) FROM performance_schema.setup_consumers WHERE ENABLED = 'YES' AND NAME = %s"
    return session.value(kept, _CONSUMERS[-1]) == "1"


def _keep_history(session: Session, on: bool) -> None:
    names = ", ".join(f"'{name}'" for name in _CONSUMERS)
    session.run(
        f"UPDATE performance_schema.setup_consumers SET ENABLED = %s WHERE NAME IN ({names})", "YES" if on else "NO"
    )


def _plugin(name: str, library: str, after: str = "") -> Switch:
    def turn(session: Session, on: bool) -> None:
        if not on:
            session.run(f"UNINSTALL SONAME '{library}'")
            return _until_gone(session, name)
        try:
            session.run(f"INSTALL SONAME '{library}'")
        except LookFailed as error:
            if "(1126)" in str(error):
                told = (
                    f"{session.target.name} has no file of the plugin {name} ({library}) in its plugin_dir: install the "
                    f"package that brings it. {error}"
                )
                raise LookFailed(told, "plugin-missing", "refused") from error
            if _is_there(session, name):
                told = (
                    f"the plugin {name} is still being taken out of {session.target.name}, where sessions use it: wait"
                )
                raise LookFailed(told, "plugin-leaves", "refused") from error
            raise
        if after:
            session.run(after)

    return Switch(lambda session: has_plugin(session, name), turn)


def _is_there(session: Session, name: str) -> bool:
    """Also when the server has been told to take it out and has not yet."""
    return session.value("COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = %s", name) != "0"


def _until_gone(session: Session, name: str) -> None:
    """Wait for the sessions that use the plugin, but not for those that keep it: it serves nobody new in any case."""
    end = session.deadline.seconds / 2
    while session.deadline.left() > end and _is_there(session, name):
        threading.Event().wait(_POLL)


SWITCHES: dict[str, Switch] = {
    "innodb-monitor": _variable("innodb_status_output"),
    "slow-query": _variable("slow_query_log"),
    "slow-query-table": Switch(_logs_into_table, _log_into_table),
    "pfs-slow-query": Switch(_keeps_history, _keep_history),
    "meta-data-locks": _plugin("METADATA_LOCK_INFO", "metadata_lock_info"),
    "query-response-time": _plugin(
        "QUERY_RESPONSE_TIME", "query_response_time", "SET GLOBAL query_response_time_stats = ON"
    ),
    "sql-error-log": _plugin("SQL_ERROR_LOG", "sql_errlog"),
}


def throw(session: Session, switch: Switch, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Turn it to what ``to`` says (``on``, ``off``), or to the other side; tells how it is now."""
    was = switch.is_on(session)
    on = wished_side(arguments, was)
    if on != was:
        switch.turn(session, on)
    return {"on": switch.is_on(session), "changed": on != was}


def wished_side(arguments: Mapping[str, str], is_on: bool) -> bool:
    """What a switch is to be.  Raises LookFailed for another word than ``on`` and ``off``."""
    word = arguments.get("to", "").lower()
    if word not in ("", "on", "off"):
        raise LookFailed(f"to is on or off, not {word!r}", "bad-argument", "refused")
    return word == "on" if word else not is_on


class Capture:
    """``long_query_time`` to zero, so that the slow-query log takes every statement, and back to what it was."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def throw(self, session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
        """On or off.  What it was is known as long as the worker lives; else it becomes the server's default."""
        now = session.value("@@global.long_query_time")
        was = float(now) == 0
        on = wished_side(arguments, was)
        if on and not was:
            self._before[session.target.key] = now
            session.run("SET GLOBAL long_query_time = 0")
        elif was and not on:
            before = self._before.pop(session.target.key, "DEFAULT")
            session.run(f"SET GLOBAL long_query_time = {before}")
        return {
            "on": on,
            "changed": on != was,
            "long_query_time": float(session.value("@@global.long_query_time")),
            "slow_query_log": session.value("@@global.slow_query_log") == "1",
        }


def set_long_query_time(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """From how many seconds on a statement is slow."""
    text = arguments.get("seconds", "")
    if not re.fullmatch(r"\d{1,8}(\.\d{1,6})?", text) or float(text) > _LONGEST:
        told = f"seconds is a number from 0 to {_LONGEST:.0f}, such as 0.5, not {text!r}"
        raise LookFailed(told, "bad-argument", "refused")
    session.run(f"SET GLOBAL long_query_time = {text}")
    return {"long_query_time": float(session.value("@@global.long_query_time"))}


def flush_logs(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """A new file of the binary log; nothing of it is written into the log itself."""
    session.run("FLUSH LOCAL BINARY LOGS")
    found = session.records("SHOW MASTER STATUS")
    return {"file": (found[0]["file"] or "") if found else ""}


def reset_digests(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Forget the statements that the performance schema has counted."""
    need_performance_schema(session)
    session.run("TRUNCATE TABLE performance_schema.events_statements_summary_by_digest")
    return {"reset": True}


def kill(session: Session, arguments: Mapping[str, str], own: frozenset[str], what: str) -> dict[str, Any]:
    """End a session (`what` is ``CONNECTION``) or what it runs (``QUERY``); never one of the accounts `own`."""
    number = arguments.get("id", "")
    if not (number.isascii() and number.isdigit() and len(number) < 20):
        raise LookFailed(
            f"a session is named by its number in the process list, not {number!r}", "bad-argument", "refused"
        )
    found = session.records("SELECT USER, COMMAND FROM information_schema.PROCESSLIST WHERE ID = %s", int(number))
    if not found:
        raise LookFailed(f"{session.target.name} has no session {number}", "no-session", "refused")
    user, command = found[0]["user"] or "", found[0]["command"] or ""
    if user in own or user in ("system user", "event_scheduler") or command.startswith("Binlog Dump"):
        told = f"session {number} is of {user!r} ({command}): repman kills neither its own sessions nor replication's"
        raise LookFailed(told, "own-session", "refused")
    session.run(f"KILL {what} {int(number)}")
    return {"id": int(number), "user": user, "killed": what.lower()}


def wait_for_purge(session: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Wait until InnoDB has purged its history.  Raises LookFailed when it has not in time."""
    while True:
        length = int(session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")[0][1] or 0)
        if length == 0:
            return {"history_list_length": 0}
        if session.deadline.left() < 2 * _POLL:
            told = (
                f"the history of {session.target.name} still holds {length} entries after {session.deadline.seconds:g} s: "
                "look for old transactions in its process list"
            )
            raise LookFailed(told, "not-purged")
        threading.Event().wait(_POLL)
