"""A stream of changes under test, in a thread or in a process that may be killed, and a random load with its proof."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from mariadb_source import Mariadb
from postgres_stand import Postgres, wait_until

from repman.streams.cdc.cdc import Cdc
from repman.streams.job import (
    Endpoint,
    Family,
    Limits,
    Mode,
    Options,
    Phase,
    Progress,
    StreamSettings,
    TableChoice,
    TableState,
)

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
Side = Mariadb | Postgres


def settings(source: Endpoint, target: Endpoint, *tables: TableChoice | str, **changes: Any) -> StreamSettings:
    """A stream of changes of these tables."""
    chosen = tuple(TableChoice(table) if isinstance(table, str) else table for table in tables)
    limits = changes.pop("limits", Limits())
    stream = changes.pop("stream", "stream_1")
    config = changes.pop("config", "config_Test1")
    return StreamSettings(
        stream, config, Mode.CDC, source, target, chosen, Path("/nowhere"), limits, Options(**changes)
    )


class Following:
    """A stream that runs in a thread."""

    def __init__(self, wanted: StreamSettings) -> None:
        self.mover = Cdc(wanted)
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(lambda: self.ended or self._follows(), 60, what="the stream to follow")

    def _run(self) -> None:
        try:
            self.mover.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
            self.error = error

    def _follows(self) -> bool:
        progress = self.progress
        return progress.phase is Phase.DATA and progress.tables[0].state is TableState.FOLLOWING

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return not self._thread.is_alive()

    @property
    def progress(self) -> Progress:
        """What the stream tells."""
        return self.mover.progress()

    def applied(self, rows: int) -> None:
        """Wait until so many changes are applied."""
        try:
            wait_until(lambda: self._reached(rows), what=f"{rows} changes")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.progress}") from error

    def _reached(self, rows: int) -> bool:
        if self.error is not None:
            raise self.error
        return self.progress.target.rows >= rows

    def failed(self) -> BaseException:
        """Wait until it fails; with what."""
        wait_until(lambda: self.ended, what="the stream to fail")
        assert self.error is not None
        return self.error

    def stop(self) -> None:
        """End it, as a pause does."""
        self._stop.set()
        self._thread.join(20)
        assert self.ended


@contextlib.contextmanager
def following(wanted: StreamSettings) -> Iterator[Following]:
    """A stream that runs meanwhile, and must not have failed."""
    stream = Following(wanted)
    try:
        yield stream
    finally:
        stream.stop()
    if stream.error is not None:
        raise stream.error


class Streaming:
    """A stream in a process of its own, which may be killed."""

    def __init__(self, source: Side, target: Side, *tables: str, snapshot: str = "never") -> None:
        ports = [str(source.port), str(target.port)]
        families = [str(source.endpoint().family), str(target.endpoint().family)]
        self._arguments = [*families, *ports, snapshot, *tables]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it goes on where the last one was."""
        command = [sys.executable, str(HERE / "cdc_process.py"), *self._arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def ready(self) -> None:
        """Wait until it follows."""
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"following\n"

    def kill(self) -> None:
        """End it without any cleaning up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how: int) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


TABLES = ("plain", "pairs", "notes")
_CREATE = {
    Family.MYSQL: (
        "CREATE TABLE plain (id INT PRIMARY KEY, name VARCHAR(50), amount DECIMAL(12,2), changed INT NOT NULL)",
        "CREATE TABLE pairs (a INT, b VARCHAR(20) COLLATE utf8mb4_bin, v INT, UNIQUE KEY (v), PRIMARY KEY (a, b))",
        "CREATE TABLE notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, body LONGTEXT)",
    ),
    Family.POSTGRESQL: (
        "CREATE TABLE plain (id int PRIMARY KEY, name varchar(50), amount numeric(12,2), changed int NOT NULL)",
        "CREATE TABLE pairs (a int, b varchar(20), v int UNIQUE, PRIMARY KEY (a, b))",
        "CREATE TABLE notes (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, body text)",
    ),
}


def create(source: Side) -> None:
    """Make the tables of the load."""
    source.run(*_CREATE[source.endpoint().family])


class Load:
    """A thread that changes the source at random, in transactions, some of which it rolls back.

    It goes on after the source was killed, and counts what it was told is committed.
    """

    def __init__(self, source: Side, seed: int) -> None:
        self._source = source
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self.committed = 0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def go_on(self, transactions: int) -> None:
        """Wait until it has committed so many more."""
        aim = self.committed + transactions
        wait_until(lambda: self.committed >= aim or self.error, what="the load to go on")

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._session()
                except Exception as error:
                    if not _gone(error):
                        raise
                    self._stop.wait(0.05)
        except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
            self.error = error

    def _session(self) -> None:
        opened: Any = self._source.connect(autocommit=False) if isinstance(self._source, Mariadb) else None
        if opened is None:
            opened = self._source.connect()
            opened.autocommit = False
        try:
            cursor = opened.cursor()
            while not self._stop.is_set():
                try:
                    for _ in range(self._chance.choice((1, 1, 2, 10, 50))):
                        self._change(cursor)
                except (pymysql.err.IntegrityError, psycopg.errors.UniqueViolation):
                    opened.rollback()
                if self._chance.random() < 0.1:
                    opened.rollback()
                else:
                    opened.commit()
                    self.committed += 1
        finally:
            opened.close()

    def _change(self, cursor: Any) -> None:
        chance = self._chance
        key, other = chance.randrange(200), chance.randrange(200)
        text = chance.choice(("", "it's", 'a "b"', "back\\slash", "tab\tand\nline", "😀", "NULL", "x,y"))
        cursor.execute(
            *chance.choice(
                (
                    ("DELETE FROM plain WHERE id = %s", (key,)),
                    ("UPDATE plain SET name = %s, changed = changed + 1 WHERE id = %s", (text, key)),
                    ("UPDATE plain SET amount = amount * -1 WHERE id BETWEEN %s AND %s", (key, key + 20)),
                    ("DELETE FROM plain WHERE id = %s", (other,)),
                    (
                        "INSERT INTO plain SELECT %s, %s, %s, 0 WHERE NOT EXISTS (SELECT 1 FROM plain WHERE id = %s)",
                        (key, text, other, key),
                    ),
                    (
                        "INSERT INTO pairs SELECT %s, %s, %s WHERE NOT EXISTS "
                        "(SELECT 1 FROM pairs WHERE (a = %s AND b = %s) OR v = %s)",
                        (key % 10, text, other, key % 10, text, other),
                    ),
                    ("DELETE FROM pairs WHERE v = %s", (key,)),
                    ("UPDATE pairs SET v = -v - 1 WHERE a = %s AND v >= 0", (key % 10,)),
                    ("UPDATE pairs SET v = -v - 1 WHERE a = %s AND v < -300", (key % 10,)),
                    ("INSERT INTO notes (body) VALUES (%s)", (text * chance.choice((1, 1, 1000)),)),
                    ("DELETE FROM notes WHERE id = %s", (other,)),
                    # the key changes, and a large value stays as it is
                    ("UPDATE notes SET id = -id WHERE id = %s", (key,)),
                )
            )
        )


def _gone(error: Exception) -> bool:
    if isinstance(error, pymysql.err.MySQLError):
        return bool(error.args) and error.args[0] in (0, 1053, 1927, 2003, 2006, 2013)
    return type(error).__name__ in ("OperationalError", "AdminShutdown", "CannotConnectNow", "CrashShutdown")


def alike(source: Side, target: Side, tables: tuple[str, ...] = TABLES) -> bool:
    """Whether both sides have the same rows."""
    try:
        return all(rows_of(source, table) == rows_of(target, table) for table in tables)
    except (pymysql.err.MySQLError, psycopg.Error):
        # not made yet, or its server is about to come back
        return False


def rows_of(side: Side, table: str) -> list[tuple[str, ...]]:
    """All rows, as texts, in an order that both sides have."""
    return sorted(tuple(str(value) for value in row) for row in side.run(f"SELECT * FROM {table}"))


def same(source: Side, target: Side, tables: tuple[str, ...] = TABLES) -> None:
    """Wait until both sides have the same rows."""
    pause = threading.Event()
    with contextlib.suppress(AssertionError):
        wait_until(lambda: alike(source, target, tables) or pause.wait(0.1), 30, "both sides to be alike")
    for table in tables:
        assert rows_of(source, table) == rows_of(target, table), table


Fault = Callable[[], None]
