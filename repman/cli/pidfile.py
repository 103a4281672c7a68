"""Who runs: a lock that the kernel takes back, and a file with the process id for people and scripts.

``<name>.pid.lock`` is locked for as long as the process lives (a POSIX record lock: it belongs to the process, is
not passed on by fork, and goes when the process goes, however it goes).  ``<name>.pid`` holds the number and
nothing else, replaced in one rename.  Whether that number can be trusted is answered by the lock: the kernel
names the process that holds it, so a stale file, or a number taken over by another program, deceives nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from repman.cli.exits import AlreadyRunning
from repman.errors import ConfigError

_FLOCK = struct.Struct("hhqqi")  # struct flock of 64-bit Linux: type, whence, start, length, pid


def holder(directory: Path, name: str) -> int | None:
    """The id of the process that runs under that name, or None.

    Not to be asked by that process itself: closing the file would give its lock away.
    """
    try:
        descriptor = os.open(directory / f"{name}.pid.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
    finally:
        os.close(descriptor)
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    return None if kind == fcntl.F_UNLCK else int(pid)


@contextlib.contextmanager
def claim(
    directory: Path, name: str, *, locks: Path | None = None, sentence: str = "", patience: float = 0.0
) -> Iterator[Path]:
    """Be the process of that name while the block runs; yields the path of the pid file.

    `locks` is the directory of the lock file where it is another one.  Waits up to `patience` seconds for an
    earlier process to end.  Raises AlreadyRunning, with `sentence` or one of its own, when it does not, and
    ConfigError when a directory cannot be used.
    """
    home = locks or directory
    try:
        for wanted in (directory, home):
            wanted.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / f"{name}.pid.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        told = f"{error.filename or home} cannot be used ({error.strerror})"
        raise ConfigError(
            [f"{told}: give it to this user, or change monitoring-datadir and monitoring-rundir"]
        ) from error
    path = directory / f"{name}.pid"
    try:
        if not _locked(descriptor, patience):
            who = holder(home, name)
            told = sentence or f"{name} is already running in {home}"
            raise AlreadyRunning(told + (f" (process {who})" if who else ""))
        _write(path, os.getpid())
        try:
            yield path
        finally:
            # Workers forked meanwhile come by here as well when they end: the file is not theirs.
            forget(directory, name, os.getpid())
    finally:
        os.close(descriptor)


def _locked(descriptor: int, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)  # the kernel's own wait for a lock knows no deadline
        else:
            return True


def forget(directory: Path, name: str, pid: int) -> None:
    """Remove the pid file that a dead process left, if it is still its own."""
    path = directory / f"{name}.pid"
    with contextlib.suppress(OSError, ValueError):
        if int(path.read_text()) == pid:
            path.unlink()


def _write(path: Path, pid: int) -> None:
    fresh = path.with_name(f".{path.name}.{pid}")
    fresh.write_text(f"{pid}\n")
    fresh.replace(path)
