"""The first half of the lease: one monitor a data directory.

The second half are the named locks on the servers (`ServerSeen.leased`): they keep a monitor with another data
directory, or on another host, from acting on the same cluster.  An external store would take the place of
those votes in the driver's observation.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from repman.errors import LeaseLost


class FileLease:
    """A lock on a file, which the kernel frees when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened before `take`."""
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Raises LeaseLost when another process holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise LeaseLost(
                f"another monitor (pid {holder or 'unknown'}) works on {self._path.parent}: stop it, or use another datadir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def give_up(self) -> None:
        """Free it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
