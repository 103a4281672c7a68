"""Logical backups: a dump of all databases, and of the accounts, at one position."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance import archive
from repman.maintenance.compression import Compression
from repman.maintenance.course import Course
from repman.maintenance.dump import DumpInspector, completed
from repman.maintenance.session import Account, Session, identifier, interruptible, option_file, session

SYSTEM = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
ACCOUNTS = "accounts.sql"
DUMP = "dump.sql"
_SIZE = "SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema NOT IN %s"


@dataclass(frozen=True, slots=True)
class DumpWishes:
    """How to dump."""

    program: str = ""
    """Path of mariadb-dump; empty: as found in PATH."""
    options: tuple[str, ...] = ()
    """More options for it."""
    lock_ddl: bool = True
    """Keep tables from being altered on the source while it is dumped."""


@dataclass(frozen=True, slots=True)
class Source:
    """What there was to dump."""

    databases: tuple[str, ...]
    size: int
    """About how many bytes of data."""
    position: str
    """Before the dump began."""
    version: str


def look(at: Session) -> Source:
    """What this server has to dump.  Raises JobFailed."""
    databases = tuple(str(name) for (name,) in at.rows("SHOW DATABASES") if name not in SYSTEM)
    size = int(at.rows(_SIZE, tuple(SYSTEM))[0][0])
    return Source(databases, size, at.value("@@gtid_current_pos"), at.value("@@version"))


def program(path: str, *names: str) -> str:
    """A program's path.  Raises JobFailed when it is not installed."""
    for name in (path,) if path else names:
        if found := shutil.which(name):
            return found
    raise JobFailed(f"{path or names[0]} is not installed on repman's host: install it, or correct the option")


_POSITION_ONLY = (
    *("--skip-routines", "--skip-events", "--skip-triggers"),
    *("--no-create-db", "--no-create-info", "--no-data"),
    *("--databases", "mysql"),
)
"""Of a server that has no databases but its own: without the name of any, mariadb-dump does nothing."""


def command(course: Course, account: Account, wishes: DumpWishes, databases: Sequence[str]) -> list[str]:
    """The dump of these databases, to standard output."""
    return [
        program(wishes.program, "mariadb-dump", "mysqldump"),
        f"--defaults-file={option_file(course, account)}",
        "--single-transaction",
        "--master-data=2",
        "--gtid",
        "--routines",
        "--events",
        "--triggers",
        "--hex-blob",
        "--max-allowed-packet=1G",
        *wishes.options,
        *(("--databases", *databases) if databases else _POSITION_ONLY),
    ]


@contextlib.contextmanager
def tables_unchanged(course: Course, account: Account, wanted: bool) -> Iterator[None]:
    """While the block runs, no table of that server is altered, made or dropped; rows go on changing."""
    if not wanted:
        yield
        return
    with interruptible(course, account, 600.0) as held:
        for stage in ("START", "FLUSH", "BLOCK_DDL"):
            held.run(f"BACKUP STAGE {stage}")
        yield
        held.run("BACKUP STAGE END")


def dump_accounts(course: Course, account: Account, wishes: DumpWishes, path: Path) -> None:
    """Write the accounts of that server as statements that make those that are missing.  Raises JobFailed."""
    argv = [
        program(wishes.program, "mariadb-dump", "mysqldump"),
        f"--defaults-file={option_file(course, account)}",
        "--system=users",
        "--insert-ignore",
    ]
    path.touch(mode=0o600)
    with course.programs(), open(path, "wb") as file:
        course.finish(course.start(argv, stdout=file))


def back_up(
    course: Course, account: Account, wishes: DumpWishes, compression: Compression, directory: Path
) -> tuple[str, archive.Written, DumpInspector, Source]:
    """Dump a server into a directory and read it back.

    Returns the position, the file as read back, what it says of itself, and its source.  Raises JobFailed.
    """
    path = directory / f"{DUMP}{compression.suffix}"
    with session(account) as at:
        source = look(at)
        replica = bool(at.rows("SHOW ALL SLAVES STATUS"))
    # On a writer that would keep the applications from altering tables for as long as the dump takes.
    with tables_unchanged(course, account, wishes.lock_ddl and replica):
        dump_accounts(course, account, wishes, directory / ACCOUNTS)
        course.step(f"dumping {len(source.databases)} databases of {account.address}", source.size)
        crc = archive.write(course, command(course, account, wishes, source.databases), compression, path)
    course.step("reading the dump back", path.stat().st_size)
    inspector = DumpInspector()
    written = archive.read_back(course, compression, path, inspector, crc)
    return completed(inspector.gtid, source.position), written, inspector, source


def clear(at: Session) -> None:
    """Drop every database that is not the server's own.  Raises JobFailed."""
    at.run("SET SESSION foreign_key_checks=0")
    for (name,) in at.rows("SHOW DATABASES"):
        if name not in SYSTEM:
            at.run(f"DROP DATABASE {identifier(str(name))}")


def client(course: Course, account: Account, *more: str) -> list[str]:
    """A client that runs the statements it reads, none of which goes to a binary log."""
    return [
        program("", "mariadb", "mysql"),
        f"--defaults-file={option_file(course, account)}",
        "--init-command=SET SESSION sql_log_bin=0",
        "--binary-mode",
        "--max-allowed-packet=1G",
        "--batch",
        *more,
    ]


def load(course: Course, account: Account, compression: Compression, path: Path) -> None:
    """Run the statements of a dump.  Raises JobFailed."""
    archive.expand_into(course, compression, path, client(course, account), f"loading the dump into {account.address}")


def load_accounts(course: Course, account: Account, path: Path) -> list[str]:
    """Make the accounts that are missing; returns what the server did not accept, in its words.  Raises JobFailed."""
    with course.programs(), open(path, "rb") as file:
        loader = course.start(client(course, account, "--force"), stdin=file)
        loader.process.wait()
        course.check()
        return [line for line in loader.said().splitlines() if line.startswith("ERROR")]
