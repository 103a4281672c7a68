"""Looks that a reseed takes before it destroys anything: is the source whole, are the tools here, is there a writer?"""

from __future__ import annotations

from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance import logical
from repman.maintenance.compression import named
from repman.maintenance.course import Course
from repman.maintenance.session import Account
from repman.maintenance.surroundings import Surroundings
from repman.model.backup import Backup, BackupMethod
from repman.state.publication import age

_FRESH = 10.0
"""Seconds after which what was published says nothing of now."""


def require_spare(around: Surroundings, server: str) -> None:
    """That server's data may go: another one is the writer and lives, by a look of just now.  Raises JobFailed.

    Asked again right before they go, because copying takes hours, and the writer may have died meanwhile: then
    the server that is held may have the only copy.
    """
    name, snapshot = around.label(server), around.snapshot()
    if age(snapshot) > _FRESH:
        raise JobFailed(
            f"The monitor has been silent for {_FRESH:g} s, so nobody knows whether {name} has the only copy. Its data "
            "were left as they are; start the monitor, then reseed it again"
        )
    if snapshot.writer == server or not snapshot.writer_alive:
        raise JobFailed(
            f"{name} may hold the only copy by now: meanwhile there is no other living writer. Its data were left as they "
            "are; reseed it when the cluster has one"
        )


def writer_of(around: Surroundings) -> str:
    """Address of the writer.  Raises JobFailed while there is none."""
    if not (writer := around.snapshot().writer):
        raise JobFailed(f"{around.name} has no writer at this moment; try again when it has one.")
    return writer


def require_restorable(backup: Backup, path: Path) -> None:
    """Everything is here that this backup, whose file or directory is `path`, is restored with.  Raises JobFailed."""
    if backup.method is BackupMethod.PHYSICAL:
        named(backup.compression)
        return
    logical.program("", "mariadb", "mysql")
    if path.is_dir():
        logical.program("", "myloader")
    else:
        named(backup.compression)
    if not (accounts := path.with_name(logical.ACCOUNTS)).is_file():
        raise JobFailed(f"The backup {backup.id} is not whole: {accounts} is missing; choose another backup")


def fetch_accounts(course: Course, source: Account) -> Path:
    """The accounts of the server that will be dumped; shows that it can be, and that the tools are here.

    Raises JobFailed.
    """
    logical.program("", "mariadb", "mysql")
    path = course.scratch / logical.ACCOUNTS
    logical.dump_accounts(course, source, logical.DumpWishes(), path)
    return path
