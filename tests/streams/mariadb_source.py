"""A real MariaDB server of a test of streams: made, killed and removed by it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymysql
from postgres_stand import free_port, wait_until

from repman.streams.job import Endpoint, Family

USER = "streams"
PASSWORD = "secret-my"
OPTIONS = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--gtid-strict-mode=ON",
    "--log-slave-updates=ON",
    "--character-set-server=utf8mb4",
    "--local-infile=ON",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=OFF",
    "--innodb-buffer-pool-size=64M",
    "--sync-binlog=0",
    "--default-time-zone=+05:45",
    "--max-connections=200",
    "--skip-name-resolve",
    "--lower-case-table-names=0",
)


class Mariadb:
    """One server on a port of its own; it survives a killed process, not a lost machine."""

    def __init__(self, options: Sequence[str] = (), server_id: int = 1) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="repman-my-"))
        self.port = free_port()
        self.socket = str(self.directory / "s")
        self._options = (*OPTIONS, f"--server-id={server_id}", *options)
        self.process: subprocess.Popen[bytes] | None = None
        data = self.directory / "data"
        self._as = ["--user=root"] if os.getuid() == 0 else []
        made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        made += ["--skip-test-db", "--skip-name-resolve", *self._as]
        subprocess.run(made, check=True, capture_output=True, timeout=100)
        self.start()
        with contextlib.closing(self._root()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1' WITH GRANT OPTION")

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.directory / "log").open("ab")
        with log:
            places = [f"--datadir={self.directory / 'data'}", f"--socket={self.socket}", f"--port={self.port}"]
            command = [_program(), *self._options, *places, f"--pid-file={self.directory / 'pid'}", *self._as]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, what="MariaDB to answer")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()[-2000:]
        # a failed attempt of PyMySQL leaves its socket open, so the port is asked first
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def _root(self) -> pymysql.Connection[Any]:
        return pymysql.connect(unix_socket=self.socket, user="root", autocommit=True, charset="utf8mb4")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it, cleanly unless told otherwise."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def kill(self) -> None:
        """End it without any cleaning up."""
        self.stop(signal.SIGKILL)

    def remove(self) -> None:
        """End it and delete its files."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self, database: str | None = "d", **options: Any) -> pymysql.Connection[Any]:
        """A new connection, autocommitting."""
        merged = {"autocommit": True, "charset": "utf8mb4", **options}
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, database=database, **merged
        )

    def run(self, *statements: str, database: str | None = "d", **options: Any) -> tuple[tuple[Any, ...], ...]:
        """Run them; the rows of the last one."""
        with contextlib.closing(self.connect(database, **options)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    def value(self, statement: str, database: str | None = "d") -> Any:
        """The first column of its first row."""
        return self.run(statement, database=database)[0][0]

    def fresh(self, databases: Sequence[str] = ("d",)) -> None:
        """Give it these databases, empty; drop all others."""
        kept = ("mysql", "sys", "performance_schema", "information_schema")
        found = self.run("SHOW DATABASES", database=None)
        drops = [f"DROP DATABASE `{name}`" for (name,) in found if name not in kept]
        creates = [f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4" for name in databases]
        self.run(*drops, *creates, database=None)

    def endpoint(self, database: str = "d") -> Endpoint:
        """How a stream connects to it."""
        return Endpoint(Family.MYSQL, "127.0.0.1", self.port, USER, PASSWORD, database)


def _program() -> str:
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/local/sbin:/usr/sbin:/sbin")
    assert found, "MariaDB is not installed: install the package mariadb-server"
    return found
