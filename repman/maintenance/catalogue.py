"""The writing side of the catalogue of backups: begun under another name, published whole, removed whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from repman.errors import JobFailed
from repman.model.backup import Backup
from repman.state.backups import DESCRIPTION, PARTIAL, BackupReader, place_of
from repman.state.codec import encode


class Catalogue:
    """The backups of one installation; only the worker changes them."""

    def __init__(self, datadir: Path) -> None:
        self._datadir = datadir
        self.reader = BackupReader(datadir)
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self, cluster: str, method: str, job: str) -> tuple[str, Path]:
        """Make the directory of a backup that is being made; returns its future name and the directory.

        Raises JobFailed.
        """
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{method}-{job[:6]}"
        directory = place_of(self._datadir, cluster) / f"{name}{PARTIAL}"
        try:
            directory.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise JobFailed(f"{directory} cannot be made: {error}") from error
        return name, directory

    def publish(self, partial: Path, backup: Backup) -> None:
        """Give a whole backup its name; until then nobody sees it.  Raises JobFailed."""
        try:
            with open(partial / DESCRIPTION, "wb") as file:
                file.write(encode(backup))
                os.fsync(file.fileno())
            _sync(partial)
            partial.rename(partial.with_name(backup.id))
            _sync(partial.parent)
        except OSError as error:
            raise JobFailed(f"The backup was made, but {partial} cannot be given its name: {error}") from error

    def file(self, backup: Backup) -> Path:
        """The backup's file, or its directory."""
        return place_of(self._datadir, backup.cluster) / backup.id / backup.file

    @contextlib.contextmanager
    def using(self, backup: Backup) -> Iterator[None]:
        """While the block runs, the backup is not removed.  Raises JobFailed when it is gone already."""
        with self._lock:
            if not self.file(backup).exists():
                raise JobFailed(f"The backup {backup.id} is gone")
            self._used[backup.id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._used[backup.id] -= 1

    def remove(self, backup: Backup) -> bool:
        """Remove a backup, out of the list before its bytes go; False when it is in use.  Raises JobFailed."""
        directory = place_of(self._datadir, backup.cluster) / backup.id
        leaving = directory.with_name(directory.name + PARTIAL)
        try:
            with self._lock:
                if self._used[backup.id]:
                    return False
                directory.rename(leaving)
            shutil.rmtree(leaving)
            return True
        except OSError as error:
            raise JobFailed(f"the old backup {directory} cannot be removed: {error}") from error

    def drop(self, partial: Path) -> None:
        """Remove what a job that failed has written."""
        shutil.rmtree(partial, ignore_errors=True)

    def drop_partials(self) -> int:
        """Remove what a worker that died has left; returns how many.  Only while no job runs."""
        left = [path for path in (self._datadir / "backups").glob(f"*/*{PARTIAL}") if path.is_dir()]
        for path in left:
            self.drop(path)
        return len(left)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
