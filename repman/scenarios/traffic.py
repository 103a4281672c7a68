"""Writes of small rows through the way that applications take, counted: what was acknowledged must be found."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pymysql

SCHEMA = "repman_traffic"
_TABLE = f"{SCHEMA}.written"
PATTERN = SCHEMA.replace("_", r"\_")
"""The schema as GRANT wants it, where an underscore alone stands for any letter."""
_RING = 100_000
"""Rows that each thread of endless traffic keeps; after that it writes over its oldest."""
_AFTER_ERROR = 0.02

if TYPE_CHECKING:
    Connection = pymysql.connections.Connection[pymysql.cursors.Cursor]
else:
    Connection = pymysql.connections.Connection
Connect = Callable[[], Connection]


@dataclass(frozen=True, slots=True)
class Figures:
    """What traffic has done so far."""

    acknowledged: int
    errors: int
    longest_gap: float
    """Longest time between two acknowledgements, in seconds."""
    last_error: str


class Traffic:
    """Threads that insert numbered rows, one transaction each, and note every acknowledgement."""

    def __init__(self, connect: Connect, threads: int, rate: float, endless: bool = False) -> None:
        """`rate` is the most transactions a second of each thread; `endless` keeps a bounded number of rows."""
        self.run = secrets.token_hex(6)
        self.connect = connect
        self._pause = 1.0 / rate
        self._endless = endless
        self._numbers: list[list[int]] = [[] for _ in range(threads)]
        self._counts = [0] * threads
        self._errors = [0] * threads
        self._last_error = ""
        self._last = time.monotonic()
        self._gap = 0.0
        self._noting = threading.Lock()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(writer,), name=f"traffic-{writer}", daemon=True)
            for writer in range(threads)
        ]

    def start(self) -> None:
        """Begin to write; the table must be there (`lay`)."""
        self._last = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 15.0) -> Figures:
        """End all threads; one that waits for an answer ends with its connection's own time limit."""
        self._ending.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return self.figures()

    def figures(self) -> Figures:
        """What was done until now."""
        return Figures(sum(self._counts), sum(self._errors), round(self._gap, 3), self._last_error)

    def lost(self, connection: Connection) -> int:
        """Acknowledged rows that the server of that connection does not have.  Not for endless traffic."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT writer, number FROM {_TABLE} WHERE run = %s", (self.run,))
            found = set(cursor.fetchall())
        told = {(writer, number) for writer, numbers in enumerate(self._numbers) for number in tuple(numbers)}
        return len(told - found)

    def _write(self, writer: int) -> None:
        connection: Connection | None = None
        number = itertools.count()
        current = next(number)
        while not self._ending.is_set():
            try:
                if connection is None:
                    connection = self.connect()
                with connection.cursor() as cursor:
                    cursor.execute(
                        f"REPLACE INTO {_TABLE} (run, writer, number) VALUES (%s, %s, %s)",
                        (self.run, writer, current % _RING if self._endless else current),
                    )
            except (pymysql.Error, OSError) as error:
                self._errors[writer] += 1
                self._last_error = str(error)
                _drop(connection)
                connection = None
                # Never written again under the same number: whether the one in doubt was committed is not known.
                current = next(number)
                self._ending.wait(max(self._pause, _AFTER_ERROR))
                continue
            self._note(writer, current)
            current = next(number)
            self._ending.wait(self._pause)
        _drop(connection)

    def _note(self, writer: int, number: int) -> None:
        now = time.monotonic()
        with self._noting:
            self._gap = max(self._gap, now - self._last)
            self._last = now
        self._counts[writer] += 1
        if not self._endless:
            self._numbers[writer].append(number)


def lay(connection: Connection) -> tuple[str, str]:
    """On the writer: make schema, table and an account that may write there and nowhere else.

    The account has no right to pass ``read_only``, so traffic can never write to a server that was closed.
    Returns (user, password).  Raises pymysql.Error when the given account may not do that.
    """
    user, password = "repman_traffic", secrets.token_urlsafe(18)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {SCHEMA}")
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {_TABLE} (run CHAR(12) NOT NULL, writer SMALLINT NOT NULL, "
            "number BIGINT NOT NULL, at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), "
            "PRIMARY KEY (run, writer, number)) ENGINE=InnoDB"
        )
        cursor.execute(f"CREATE USER IF NOT EXISTS {user}@'%'")
        cursor.execute(f"ALTER USER {user}@'%%' IDENTIFIED BY %s", (password,))
        cursor.execute(f"GRANT SELECT, INSERT, DELETE ON `{PATTERN}`.* TO {user}@'%'")
    return user, password


def clear(connection: Connection) -> None:
    """On the writer: remove what `lay` made."""
    with connection.cursor() as cursor:
        cursor.execute("DROP USER IF EXISTS repman_traffic@'%'")
        cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")


def checksum(connection: Connection) -> int:
    """The checksum of the table, to compare servers with."""
    with connection.cursor() as cursor:
        cursor.execute(f"CHECKSUM TABLE {_TABLE}")
        row = cursor.fetchone()
    return int(row[1]) if row is not None and row[1] is not None else -1


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(pymysql.Error, OSError):
            connection._force_close()  # type: ignore[attr-defined]
