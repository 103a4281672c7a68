"""A real PostgreSQL server of a test: made, killed and removed by it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from repman.streams.job import Endpoint, Family

USER = "streams"
PASSWORD = "secret-pg"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_connections": "60",
    "fsync": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "timezone": "Asia/Kathmandu",
    "log_min_messages": "warning",
}


def wait_until(condition: Callable[[], object], seconds: float = 30.0, what: str = "a condition") -> None:
    """Wait for it, and fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def programs() -> Path:
    """Where this system keeps the newest PostgreSQL server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    assert found, "PostgreSQL is not installed: install the package postgresql"
    return found[-1].parent


class Postgres:
    """One server on a port of its own, without fsync: it survives a killed process, not a lost machine."""

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="repman-pg-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        # the server refuses to run as root
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = self.directory / "data"
        options = ["-U", USER, "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        self._run(programs() / "initdb", "-D", data, *options)
        with (data / "postgresql.conf").open("a") as file:
            for name, value in {**SETTINGS, **(settings or {})}.items():
                file.write(f"{name} = '{value}'\n")
            file.write(f"unix_socket_directories = '{self.directory}'\n")
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host replication all 127.0.0.1/32 scram-sha-256\n")
        self.start()

    def _run(self, *command: object) -> None:
        words = [str(word) for word in command]
        subprocess.run(words, user=self._user, check=True, capture_output=True, cwd=self.directory, timeout=60)

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.directory / "log").open("ab")
        with log:
            command = [str(programs() / "postgres"), "-D", str(self.directory / "data"), "-p", str(self.port)]
            self.process = subprocess.Popen(
                command, user=self._user, stdout=log, stderr=log, cwd=self.directory, start_new_session=True
            )
        wait_until(self._answers, what="PostgreSQL to answer")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()[-2000:]
        with contextlib.suppress(psycopg.OperationalError), self.connect("postgres"):
            return True
        return False

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: SIGINT at once and cleanly, SIGQUIT as a crash does."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def crash(self) -> None:
        """End it and all its backends without any cleaning up."""
        self.stop(signal.SIGQUIT)

    def remove(self) -> None:
        """End it and delete its files."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self, database: str = "d", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A new connection, autocommitting."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
            **options,
        )

    def run(self, *statements: str, database: str = "d") -> list[tuple[Any, ...]]:
        """Run them; the rows of the last one."""
        with self.connect(database) as connection:
            cursor: psycopg.Cursor[tuple[Any, ...]] | None = None
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor is not None and cursor.description else []

    def value(self, statement: str, database: str = "d") -> Any:
        """The first column of its first row."""
        return self.run(statement, database=database)[0][0]

    def fresh(self, databases: Sequence[str] = ("d",)) -> None:
        """Give it these databases, empty; drop every slot and all other databases."""
        wait_until(self._drop_slots, what="replication slots to be dropped")
        found = self.run(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'", database="postgres"
        )
        drops = [f'DROP DATABASE "{name}" WITH (FORCE)' for (name,) in found]
        self.run(*drops, *[f'CREATE DATABASE "{name}"' for name in databases], database="postgres")

    def _drop_slots(self) -> bool:
        self.run(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL",
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE active_pid IS NULL",
            database="postgres",
        )
        return bool(self.value("SELECT count(*) = 0 FROM pg_replication_slots", "postgres"))

    def endpoint(self, database: str = "d", schema: str = "") -> Endpoint:
        """How a stream connects to it."""
        return Endpoint(Family.POSTGRESQL, "127.0.0.1", self.port, USER, PASSWORD, database, schema)
