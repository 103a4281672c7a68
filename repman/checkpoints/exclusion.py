"""One at a time: among the threads of this process, and among the processes that share a data directory."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

from repman.errors import CheckpointRefused


class Exclusion:
    """One kind of work on one cluster.  The kernel takes the lock on the file back when its process dies."""

    def __init__(self, datadir: Path, cluster: str, what: str) -> None:
        self._what = what
        self._path = datadir / "locks" / f"{cluster}-{what.replace(' ', '-')}.lock"
        self._thread = threading.Lock()

    @contextlib.contextmanager
    def held(self, wait: bool = False) -> Iterator[None]:
        """Be the one.  Raises CheckpointRefused, at once, when another one is; with `wait` its end is waited for."""
        if not self._thread.acquire(blocking=wait):
            raise self._busy()
        try:
            with contextlib.ExitStack() as opened:
                try:
                    self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                    file = opened.enter_context(self._path.open("ab"))
                    fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise self._busy() from error
                except OSError as error:
                    raise CheckpointRefused(f"The lock {self._path} cannot be used: {error.strerror}.") from error
                yield
        finally:
            self._thread.release()

    def _busy(self) -> CheckpointRefused:
        return CheckpointRefused(f"Another {self._what} of this cluster is under way: wait until it has ended.", "busy")
