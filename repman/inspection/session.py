"""One short-lived session with a server, which ends by its deadline, whatever the server does.

Values come as text, exactly as the server wrote them; NULL is None.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.converters import encoders

from repman.config.settings import ClusterSettings
from repman.engines.mysqldial import DENIED, reach_of_oserror
from repman.errors import LookFailed
from repman.model.observation import Reach

Record = dict[str, str | None]

_TOOK_TOO_LONG = frozenset({1205, 1222, 1317, 1969, 3024})
"""Lock wait, statement time: the server's numbers for our own limits."""
_RIGHT_MISSING = frozenset({1044, 1142, 1143, 1227, 1370})
_NO_ROOM = frozenset({1040, 1203, 1226})
_LOST = frozenset({0, 2003, 2006, 2013, 2014, 2055})
"""The client's numbers for a connection that is not there, or no more."""

_ENCODERS: dict[Any, Any] = dict(encoders)
"""Without decoders, so that values stay text."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the account we look at it with."""

    cluster: str
    address: str
    name: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, cluster: ClusterSettings, address: str) -> Target:
        """The server of that address.  Raises LookFailed for one that the cluster does not have."""
        server = next((each for each in cluster.policy.servers if each.address == address), None)
        if server is None:
            raise LookFailed(f"{cluster.policy.name} has no server {address!r}", "unknown-server", "refused")
        return cls(cluster.policy.name, address, server.name, cluster.database.user, cluster.database.password)

    @property
    def key(self) -> str:
        """What tells it from every other server."""
        return f"{self.cluster}/{self.address}"


class Deadline:
    """The time of one look, and what it holds open meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._over = False
        self._lock = threading.Lock()

    def left(self) -> float:
        """Seconds that are left.  Raises LookFailed when none are."""
        if self.over:
            raise self.missed()
        return max(0.001, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether none are left."""
        return self._over or time.monotonic() >= self._end

    def missed(self) -> LookFailed:
        """What is said when the time is over."""
        return LookFailed(f"no answer within {self.seconds:g} s", "deadline", "timeout")

    def hold(self, opened: socket.socket) -> None:
        """Close this when the time is over."""
        with self._lock:
            self._socket = opened
            if self._over:
                _shut(opened)

    def end(self) -> None:
        """The time is over: whoever still reads or writes is woken by the end of the connection."""
        with self._lock:
            self._over = True
            if self._socket is not None:
                _shut(self._socket)


class Session:
    """A connection, used by one thread.  Everything raises LookFailed."""

    def __init__(self, target: Target, deadline: Deadline, connection: pymysql.Connection[Any]) -> None:
        self.target = target
        self.deadline = deadline
        self._connection = connection

    def rows(self, statement: str, *values: object) -> list[tuple[str | None, ...]]:
        """All rows of one statement; ``%s`` stands for the values."""
        return self._ask(statement, values)[1]

    def records(self, statement: str, *values: object) -> list[Record]:
        """All rows by column name, in lower case."""
        names, rows = self._ask(statement, values)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def value(self, expression: str, *values: object) -> str:
        """One value; NULL is empty."""
        return self.rows(f"SELECT {expression}", *values)[0][0] or ""

    def run(self, statement: str, *values: object) -> None:
        """One statement whose rows nobody wants."""
        self._ask(statement, values)

    def _ask(self, statement: str, values: tuple[object, ...]) -> tuple[list[str], list[tuple[str | None, ...]]]:
        self.deadline.left()
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                names = [column[0].lower() for column in cursor.description or ()]
                return names, [tuple(_text(value) for value in row) for row in cursor.fetchall()]
        except (pymysql.Error, OSError, ValueError) as error:
            raise failure(error, self.target, self.deadline) from error


@contextlib.contextmanager
def session(target: Target, deadline: Deadline, *, unlogged: bool = False) -> Iterator[Session]:
    """A session with the server, each statement bounded on the server, too.

    `unlogged`: for sessions that change something; nothing of it comes into a binary log.
    Raises LookFailed.
    """
    left = deadline.left()
    opening = f"SET SESSION max_statement_time={left:.3f}, lock_wait_timeout={max(1, int(left))}"
    host, _, port = target.address.rpartition(":")
    connection: pymysql.Connection[Any] = pymysql.Connection(
        host=host.strip("[]"),
        port=int(port),
        user=target.user,
        password=target.password,
        autocommit=True,
        connect_timeout=left,  # type: ignore[arg-type,unused-ignore]
        read_timeout=left,
        write_timeout=left,
        charset="utf8mb4",
        conv=_ENCODERS,
        ssl_disabled=True,
        init_command=opening + ", sql_log_bin=0" * unlogged,
        program_name="repman",
        defer_connect=True,
    )
    try:
        opened = _connected(connection.host, connection.port, deadline)
        deadline.hold(opened)
        try:
            connection.connect(opened)
        except BaseException:
            opened.close()
            raise
    except (pymysql.Error, OSError) as error:
        raise failure(error, target, deadline) from error
    try:
        yield Session(target, deadline, connection)
    finally:
        with contextlib.suppress(pymysql.Error, OSError):
            connection.close()


def failure(error: Exception, target: Target, deadline: Deadline) -> LookFailed:
    """What an error of driver or network means for who asked."""
    number = error.args[0] if isinstance(error, pymysql.Error) and error.args else 0
    words = str(error.args[1]) if len(error.args) > 1 else str(error)
    cause = getattr(error, "original_exception", None) or error.__context__ or error
    silent = isinstance(cause, OSError) and reach_of_oserror(cause) is Reach.SILENT
    if silent or deadline.over or number in _TOOK_TOO_LONG:
        missed = deadline.missed()
        return LookFailed(f"{target.name} ({target.address}) gave {missed}", missed.code, missed.status)
    if isinstance(error, OSError) or number in _LOST:
        return LookFailed(f"{target.name} ({target.address}) cannot be reached: {words}", "unreachable", "unreachable")
    if number in _NO_ROOM:
        told = f"{target.name} has no connection left for repman: {words}"
        return LookFailed(told, "no-connection", "unreachable")
    if number in _RIGHT_MISSING:
        told = f"repman's account {target.user!r} lacks a right on {target.name}: {words}; see docs/operating.md"
        return LookFailed(told, "right-missing")
    if number in DENIED:
        return LookFailed(f"{target.name} denies repman's account {target.user!r}: {words}", "denied", "unreachable")
    return LookFailed(f"{target.name} said: {words} ({number})", "server-error")


def _connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection to one of the host's addresses.  Raises OSError."""
    opened = socket.create_connection((host, port), timeout=deadline.left())
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _shut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
