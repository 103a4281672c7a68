"""The catalogue of backups: a directory of each cluster with one directory of each backup, and its description.

A backup's directory gets its name when the backup is whole and was read back; before, its name ends with
``.partial``.  So whatever is listed here can be restored.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from repman.errors import StateError
from repman.model.backup import FORMAT, Backup, BackupMethod
from repman.state.codec import decode

LOG = logging.getLogger(__name__)

DESCRIPTION = "backup.json"
PARTIAL = ".partial"
_SETTLED = 1_000_000_000
"""Nanoseconds after which another change cannot bear the same time."""


def place_of(datadir: Path, cluster: str) -> Path:
    """Directory of a cluster's backups.  Names of clusters hold no slash."""
    return datadir / "backups" / cluster


class BackupReader:
    """The backups of all clusters, read again only when one came or went; usable from several threads."""

    def __init__(self, datadir: Path) -> None:
        """Nothing is read before it is asked for."""
        self._datadir = datadir
        self._known: dict[str, tuple[int, tuple[Backup, ...]]] = {}

    def backups(self, cluster: str) -> tuple[Backup, ...]:
        """The whole backups of a cluster, oldest first.  Raises StateError."""
        directory = place_of(self._datadir, cluster)
        try:
            stamp = os.stat(directory).st_mtime_ns
            settled = time.time_ns() - stamp > _SETTLED
            known = self._known.get(cluster)
            if known is not None and known[0] == stamp:
                return known[1]
            whole = [backup for name in os.listdir(directory) if (backup := _read(directory / name))]
            # Names tell the second only, and several can begin in one.
            found = tuple(sorted(whole, key=lambda backup: (backup.number, backup.id)))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StateError(f"{directory} cannot be read: check its owner and permissions ({error})") from error
        if settled:
            self._known[cluster] = (stamp, found)
        return found

    def get(self, cluster: str, identifier: str) -> Backup | None:
        """That backup, or None.  Raises StateError."""
        return next((backup for backup in self.backups(cluster) if backup.id == identifier), None)

    def latest(self, cluster: str, method: BackupMethod, source: str = "") -> Backup | None:
        """The latest of that method, of one server when `source` names it.  Raises StateError."""
        fitting = (
            backup
            for backup in reversed(self.backups(cluster))
            if backup.method is method and source in ("", backup.source)
        )
        return next(fitting, None)


def _read(directory: Path) -> Backup | None:
    if directory.name.endswith(PARTIAL) or directory.name.startswith("."):
        return None
    path = directory / DESCRIPTION
    try:
        backup = decode(Backup, path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        LOG.warning("%s cannot be read, so its backup is not listed: %s", path, error)
        return None
    return backup if backup.format == FORMAT and backup.id == directory.name else None
