"""Backups: what is known of one that is whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FORMAT = 1


class BackupMethod(StrEnum):
    """How the data were read."""

    LOGICAL = "logical"
    """Statements that make them again."""
    PHYSICAL = "physical"
    """A copy of the server's files."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, as told by the file that lies beside it.  Only backups that were read back have one."""

    format: int
    id: str
    """Name of its directory; begins with the second in which it was begun."""
    cluster: str
    method: BackupMethod
    tool: str
    """``mysqldump`` (mariadb-dump), ``mydumper`` or ``mariabackup``."""
    source: str
    """Address of the server it was read from."""
    started_at: float
    """Unix seconds."""
    ended_at: float
    file: str
    """Name of its file, or of its directory, inside its own directory."""
    size: int
    """Bytes on disk."""
    data_bytes: int
    """Bytes before compression."""
    compression: str
    """``zstd``, ``gzip`` or ``none``."""
    checksum: str
    """SHA-256 of the file, in hexadecimal digits."""
    gtid: str
    """The position up to which it holds every transaction and after which none."""
    binlog_file: str = ""
    binlog_position: int = 0
    tool_version: str = ""
    server_version: str = ""
    job: str = ""
    """The job that made it."""

    @property
    def number(self) -> int:
        """A number for programs that want one: the time of its beginning, in milliseconds."""
        return int(self.started_at * 1000)
