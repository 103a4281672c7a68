"""How jobs talk to a server: a session of our own, and an option file for the server's programs.

Nothing that a job does on a server is written to a binary log: every session begins with ``sql_log_bin = 0``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from repman.config.settings import Credential
from repman.errors import JobFailed
from repman.maintenance.course import Course

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who may do a job's work on one server."""

    address: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, address: str, credential: Credential) -> Account:
        """The account of the configuration."""
        return cls(address, credential.user, credential.password)

    @property
    def host(self) -> str:
        """Without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.address.rpartition(":")[2])


class Session:
    """One connection.  Everything raises JobFailed with the server's words."""

    def __init__(self, account: Account, connection: pymysql.Connection[Any]) -> None:
        self._account = account
        self._connection = connection

    def run(self, statement: str, *values: object) -> None:
        """One statement whose rows nobody wants."""
        self.rows(statement, *values)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of one statement; ``%s`` stands for the values."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall())
        except (pymysql.Error, OSError) as error:
            raise JobFailed(f"{self._account.address} said to {_shown(statement)}: {words(error)}") from error

    def records(self, statement: str) -> list[dict[str, Any]]:
        """All rows by column name."""
        try:
            with self._connection.cursor(pymysql.cursors.DictCursor) as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        except (pymysql.Error, OSError) as error:
            raise JobFailed(f"{self._account.address} said to {_shown(statement)}: {words(error)}") from error

    def value(self, expression: str) -> str:
        """One value as text; NULL is empty."""
        found = self.rows(f"SELECT {expression}")[0][0]
        return "" if found is None else str(found)


@contextlib.contextmanager
def session(account: Account, seconds: float = _ANSWER_SECONDS) -> Iterator[Session]:
    """A session with that server; each statement may take so many seconds.  Raises JobFailed."""
    try:
        connection: pymysql.Connection[Any] = pymysql.connect(
            host=account.host,
            port=account.port,
            user=account.user,
            password=account.password,
            autocommit=True,
            connect_timeout=int(_CONNECT_SECONDS),
            read_timeout=seconds,
            write_timeout=seconds,
            charset="utf8mb4",
            init_command="SET SESSION sql_log_bin=0, lock_wait_timeout=60, wait_timeout=604800",
            program_name="repman job",
        )
    except (pymysql.Error, OSError) as error:
        raise JobFailed(f"{account.address} does not take our session: {words(error)}") from error
    try:
        yield Session(account, connection)
    finally:
        with contextlib.suppress(pymysql.Error, OSError):
            connection.close()


@contextlib.contextmanager
def interruptible(course: Course, account: Account, seconds: float) -> Iterator[Session]:
    """A session whose statement is killed when the job is told to end; each may take so many seconds.  Raises JobFailed."""
    with session(account, seconds) as at:
        number = int(at.value("CONNECTION_ID()"))

        def kill() -> None:
            with contextlib.suppress(JobFailed), session(account, 10.0) as other:
                other.run(f"KILL {number:d}")

        with course.when_told(kill):
            try:
                yield at
            except JobFailed:
                course.check()
                raise


def words(error: Exception) -> str:
    """An error of the driver for people."""
    if isinstance(error, pymysql.Error) and len(error.args) > 1:
        return f"{error.args[1]} ({error.args[0]})"
    return str(error)


def option_file(course: Course, account: Account) -> Path:
    """An option file with the account, which only we may read; it goes with the job.

    Passwords are never arguments of a program, where everybody could see them.
    """
    path = course.scratch / f"{account.host}-{account.port}.cnf".replace(":", "_")
    lines = [
        "[client]",
        f"host={account.host}",
        f"port={account.port}",
        f"user={_quoted(account.user)}",
        f"password={_quoted(account.password)}",
        "protocol=tcp",
    ]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shown(statement: str) -> str:
    return " ".join(statement.split()[:4])[:60]


def identifier(name: str) -> str:
    """A name as it is written in a statement."""
    return "`" + name.replace("`", "``") + "`"
